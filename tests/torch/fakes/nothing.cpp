// A shared object that is none of ours.
extern "C" __attribute__((visibility("default"))) int vauban_fake_nothing() { return 0; }
