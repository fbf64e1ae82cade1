"""What the OCI runtime specification's documents say; knows nothing of this runtime.

Cold modules (pydantic): `config*`, `state`, `features`, `build`, `explain`.
Hot modules (built-in modules only): `validate`, `rules*`, `patterns`, `wording`, `extension`, `json_text`, and the
generated `_compiled`.
"""
