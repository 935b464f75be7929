// A module whose own library is not found, as the torch module where LibTorch was taken away.
extern "C" int vauban_fake_nothing();
extern "C" __attribute__((visibility("default"))) const void* vauban_torch_module() {
  return vauban_fake_nothing() == 0 ? nullptr : nullptr;
}
