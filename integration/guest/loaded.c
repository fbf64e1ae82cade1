/* loaded: a dynamic program for the attack through the loader; its exit code tells that it ran. */
int main(void) { return 77; }
