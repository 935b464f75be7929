// A module whose Module begins with another digest. What follows is left out on purpose: the loader must not read on.
namespace {
struct DigestOnly {
  const char* source_digest;
};
constexpr DigestOnly kModule{"0123456789abcdef"};
}  // namespace

extern "C" __attribute__((visibility("default"))) const void* vauban_torch_module() { return &kModule; }
