/// SHA-256 (FIPS 180-4), by OpenSSL.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace vauban {

/// Lower-case hex, 64 characters.
std::string sha256_hex(std::span<const std::byte> bytes);
std::string sha256_hex(std::string_view text);

/// Streaming form.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  void update(std::span<const std::byte> bytes);
  void update(std::string_view text);
  std::string finish_hex();  ///< call once

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The same as of the bytes of the file. Errors: not_found, io, invalid_input for anything but a regular file.
Result<std::string> sha256_file(const std::string& path);

}  // namespace vauban
