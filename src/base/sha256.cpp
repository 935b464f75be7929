#include "base/sha256.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <openssl/evp.h>
#include <vector>

#include "base/posix_io.h"

namespace vauban {
namespace {

constexpr std::size_t kReadBytes = std::size_t{1} << 20;

/// The library only fails here when it is broken or misused (an update after the end), and a wrong digest must not
/// come out of that.
void require(int succeeded) {
  if (succeeded == 1) return;
  std::fputs("vauban: OpenSSL cannot compute SHA-256\n", stderr);
  std::abort();
}

std::string hex(std::span<const unsigned char> bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(2 * bytes.size());
  for (const unsigned char byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

}  // namespace

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();

  State() { require(context != nullptr && EVP_DigestInit_ex(context, EVP_sha256(), nullptr) == 1); }
  ~State() { EVP_MD_CTX_free(context); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
};

Sha256::Sha256() : state_(std::make_unique<State>()) {}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::span<const std::byte> bytes) {
  require(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()));
}

void Sha256::update(std::string_view text) { update(std::as_bytes(std::span(text))); }

std::string Sha256::finish_hex() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  require(EVP_DigestFinal_ex(state_->context, digest.data(), &size));
  return hex(std::span(digest).first(size));
}

std::string sha256_hex(std::span<const std::byte> bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.finish_hex();
}

std::string sha256_hex(std::string_view text) { return sha256_hex(std::as_bytes(std::span(text))); }

Result<std::string> sha256_file(const std::string& path) {
  VB_TRY(const posix::Input input, posix::open_regular(path, "hash it"));
  std::vector<std::byte> buffer(kReadBytes);
  Sha256 hash;
  for (;;) {
    VB_TRY(const std::size_t got, posix::read_some(input, buffer, path));
    if (got == 0) return hash.finish_hex();
    hash.update(std::span(buffer).first(got));
  }
}

}  // namespace vauban
