// ByteLevel and ByteFallback: decoders that turn letters or byte pieces back into bytes. Fuse joins the tokens.
#include "text/byte_alphabet.h"
#include "text/decoders/decoder.h"
#include "text/fields.h"
#include "text/unicode.h"

namespace vauban {
namespace {

class ByteLevel final : public Decoder {
 public:
  Result<void> apply(std::vector<std::string>& tokens) const override {
    std::string bytes;
    for (const std::string& token : tokens) bytes += bytes_of_letters(token).value_or(token);
    tokens.assign(1, to_utf8_lossy(bytes));
    return ok();
  }
  Settling settling(bool fused) const override { return fused ? Settling::at_end : Settling::each_token; }
  bool fuses() const override { return true; }
  bool reads_byte_letters() const override { return true; }
};

class ByteFallback final : public Decoder {
 public:
  Result<void> apply(std::vector<std::string>& tokens) const override {
    std::vector<std::string> out;
    out.reserve(tokens.size());
    std::string run;
    for (std::string& token : tokens) {
      if (const auto byte = byte_of_piece(token)) {
        run.push_back(static_cast<char>(*byte));
        continue;
      }
      flush(run, out);
      out.push_back(std::move(token));
    }
    flush(run, out);
    tokens = std::move(out);
    return ok();
  }
  Settling settling(bool fused) const override { return fused ? Settling::at_end : Settling::byte_runs; }

 private:
  static void flush(std::string& run, std::vector<std::string>& out) {
    if (run.empty()) return;
    if (first_invalid_utf8(run))
      out.insert(out.end(), run.size(), "\xEF\xBF\xBD");
    else
      out.push_back(run);
    run.clear();
  }
};

class Fuse final : public Decoder {
 public:
  Result<void> apply(std::vector<std::string>& tokens) const override {
    std::string all;
    for (const std::string& token : tokens) all += token;
    tokens.assign(1, std::move(all));
    return ok();
  }
  Settling settling(bool) const override { return Settling::each_token; }
  bool fuses() const override { return true; }
};

}  // namespace

Result<std::unique_ptr<Decoder>> make_byte_level_decoder(const Json& section) {
  VB_CHECK(fields::boolean(section, "add_prefix_space"));  // needed by the format, without effect on decoding
  VB_CHECK(fields::boolean(section, "trim_offsets"));
  return std::make_unique<ByteLevel>();
}

Result<std::unique_ptr<Decoder>> make_byte_fallback_decoder(const Json&) { return std::make_unique<ByteFallback>(); }
Result<std::unique_ptr<Decoder>> make_fuse_decoder(const Json&) { return std::make_unique<Fuse>(); }

}  // namespace vauban
