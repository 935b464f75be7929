/// GGUF files that a reader must accept or refuse, each with the reason: the 33 of llama.cpp's tests/test-gguf.cpp (the
/// names are theirs; the files are built here), and what that list leaves out. The fuzz corpus is made from them too.
#pragma once

#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "base/result.h"
#include "support/gguf_builder.h"

namespace vauban::test {

inline constexpr std::int32_t kU32 = 4, kI32 = 5, kF32Value = 6, kBool = 7, kString = 8, kArray = 9;  // value types

inline GgufBuilder with_keys() {
  GgufBuilder b;
  b.text("general.architecture", "llama").number<std::uint32_t>("llama.block_count", kU32, 2);
  return b;
}

inline GgufTensor f32_tensor(std::string name, std::vector<std::int64_t> ne, std::size_t bytes) {
  return {.name = std::move(name), .ne = std::move(ne), .type = 0, .data = std::string(bytes, '\x3f')};
}

inline GgufBuilder with_tensors() {
  GgufBuilder b = with_keys();
  b.tensor(f32_tensor("a", {3, 5}, 60)).tensor(f32_tensor("b", {8}, 32));
  return b;
}

/// One key of every value type, and arrays.
inline GgufBuilder every_kind_of_value() {
  GgufBuilder b;
  b.number<std::uint8_t>("u8", 0, 200)
      .number<std::int8_t>("i8", 1, -5)
      .number<std::uint16_t>("u16", 2, 60000)
      .number<std::int16_t>("i16", 3, -300);
  b.number<std::uint32_t>("u32", kU32, 4'000'000'000u)
      .number<std::int32_t>("i32", kI32, -7)
      .number<float>("f32", kF32Value, 0.1f);
  b.number<std::uint8_t>("bool", kBool, 1).text("string", "abc").number<std::uint64_t>("u64", 10, ~std::uint64_t{0});
  b.number<std::int64_t>("i64", 11, -9).number<double>("f64", 12, 0.25).texts("strings", {"a", "", "\xe2\x96\x81x"});
  b.array("floats", kF32Value, 2, le(1.5f) + le(-2.0f)).array("empty", kString, 0, "");
  return b;
}

/// One file, and what must come of it.
struct GgufCase {
  std::string name;
  std::function<std::string()> build;
  std::string reason = {};  ///< part of the message; empty when the file must be read
  ErrorCode code = ErrorCode::corrupt;
};
inline void PrintTo(const GgufCase& shown, std::ostream* out) { *out << shown.name; }

inline GgufBuilder one(GgufTensor tensor) {
  GgufBuilder b = with_keys();
  b.tensor(std::move(tensor));
  return b;
}

inline GgufBuilder declaring(std::uint32_t alignment, std::uint64_t laid_out) {
  GgufBuilder b = with_tensors();
  b.number("general.alignment", kU32, alignment).alignment = laid_out;
  return b;
}

inline std::string cut(std::string file, std::size_t bytes) { return file.substr(0, file.size() - bytes); }

inline std::vector<GgufCase> gguf_header_cases() {
  return {
      {"HeaderBadMagic",
       [] {
         auto b = with_tensors();
         b.magic = "GGUX";
         return b.build();
       },
       "expected the magic"},
      {"HeaderVersion0",
       [] {
         auto b = with_tensors();
         b.version = 0;
         return b.build();
       },
       "version 0", ErrorCode::unsupported},
      {"HeaderVersion1",
       [] {
         auto b = with_tensors();
         b.version = 1;
         return b.build();
       },
       "version 1", ErrorCode::unsupported},
      {"HeaderVersionFuture",
       [] {
         auto b = with_tensors();
         b.version = 4;
         return b.build();
       },
       "version 4", ErrorCode::unsupported},
      {"HeaderBadTensorCount",
       [] {
         auto b = with_keys();
         b.n_tensors = std::int64_t{1} << 60;
         return b.build();
       },
       "tensor count"},
      {"HeaderBadKeyCount",
       [] {
         auto b = with_keys();
         b.n_keys = std::int64_t{1} << 60;
         return b.build();
       },
       "key count"},
      {"HeaderEmpty", [] { return GgufBuilder().build(); }},
  };
}

inline std::vector<GgufCase> gguf_key_cases() {
  return {
      {"KeyBadSize", [] { return with_keys().raw_key(le(~std::uint64_t{0}) + "k").build() + std::string(64, 'x'); },
       "above the limit"},
      {"KeyEmpty", [] { return with_keys().number<std::uint32_t>("", kU32, 1).build(); }, "is empty"},
      {"KeyBadType", [] { return with_keys().number<std::uint32_t>("k", 13, 1).build(); }, "value type 13"},
      {"KeyDuplicate", [] { return with_keys().text("general.architecture", "x").build(); }, "appears twice"},
      {"KeyBadAlignment", [] { return with_keys().number<std::uint32_t>("general.alignment", kU32, 13).build(); },
       "no power of two"},
      {"KeyAlignmentOfWrongType",
       [] { return with_keys().number<std::int32_t>("general.alignment", kI32, 32).build(); }, "expected a u32"},
      {"KeySuccess", [] { return with_keys().build(); }},
  };
}

inline std::vector<GgufCase> gguf_tensor_cases() {
  constexpr std::int64_t kHalf = std::int64_t{1} << 31;
  return {
      {"TensorBadNameSize",
       [] { return one({.name = std::string(64, 'n'), .ne = {8}, .data = std::string(32, 0)}).build(); },
       "the limit is 63"},
      {"TensorBadRank",
       [] {
         return one({.name = "a", .ne = {1, 1, 1, 1, 1}, .data = std::string(4, 0)}).build();
       },
       "5 dimensions"},
      {"TensorBadShape",
       [] {
         return one({.name = "a", .ne = {4, -1}, .data = std::string(4, 0)}).build();
       },
       "negative"},
      {"TensorZeroDimension",
       [] {
         return one({.name = "a", .ne = {4, 0}, .data = ""}).build();
       }},
      {"TensorTooManyElements",
       [] {
         return one({.name = "a", .ne = {kHalf, kHalf, 4}, .data = ""}).build();
       },
       "overflows"},
      {"TensorTooManyBytes",
       [] {
         return one({.name = "a", .ne = {kHalf, kHalf}, .type = 28, .data = ""}).build();
       },
       "overflows"},
      {"TensorBadType", [] { return one({.name = "a", .ne = {8}, .type = 99, .data = std::string(32, 0)}).build(); },
       "type 99 does not exist"},
      {"TensorBadOffset",
       [] { return one({.name = "a", .ne = {8}, .data = std::string(32, 0), .offset = 32}).build(); },
       "expected offset 0"},
      {"TensorDuplicateName",
       [] {
         auto b = with_tensors();
         b.tensors[1].name = "a";
         return b.build();
       },
       "appears twice"},
      {"TensorBadAlignment", [] { return declaring(13, 13).build(); }, "no power of two"},
      {"TensorInconsistentAlignment", [] { return declaring(128, 32).build(); },
       "expected offset 128 (alignment 128), found 64"},
      {"TensorSuccess", [] { return with_tensors().build(); }},
      {"TensorCustomAlignment", [] { return declaring(64, 64).build(); }},
  };
}

inline std::vector<GgufCase> gguf_data_cases() {
  constexpr std::int64_t kHuge = std::int64_t{1} << 60;
  return {
      {"DataNotEnough", [] { return cut(with_tensors().build(), 1); }, "bytes of tensor data"},
      {"DataBadAlignment",
       [] {
         auto b = with_tensors();
         b.tensors[1].offset = 60;
         return b.build();
       },
       "expected offset 64"},
      {"DataInconsistentAlignment",
       [] {
         auto b = declaring(32, 128);
         b.tensors[1].offset = 64;
         return b.build();
       },
       "bytes of tensor data"},
      {"DataMemorySizeOverflow",
       [] {
         GgufBuilder b;  // sixteen tensors of 2^60 bytes
         for (std::uint64_t i = 0; i < 16; ++i)
           b.tensor({.name = format("t{}", i), .ne = {kHuge}, .type = 24, .offset = i << 60});
         return b.build();
       },
       "the tensor data overflows 64 bits"},
      {"DataSuccess", [] { return with_tensors().build(); }},
      {"DataCustomAlignment", [] { return declaring(256, 256).build(); }},
  };
}

/// What the list of llama.cpp leaves out.
inline std::vector<GgufCase> further_gguf_cases() {
  return {
      {"NothingAtAll", [] { return std::string(); }, "the magic"},
      {"OnlyTheMagic", [] { return std::string("GGUF"); }, "the version"},
      {"BigEndian",
       [] {
         auto b = with_tensors();
         b.version = 0x03000000;
         return b.build();
       },
       "big-endian", ErrorCode::unsupported},
      {"Version2",
       [] {
         auto b = with_tensors();
         b.version = 2;
         return b.build();
       }},
      {"NegativeTensorCount",
       [] {
         auto b = with_keys();
         b.n_tensors = -1;
         return b.build();
       },
       "tensor count is -1"},
      {"NegativeKeyCount",
       [] {
         auto b = with_keys();
         b.n_keys = -1;
         return b.build();
       },
       "key count is -1"},
      {"MoreKeysThanStored",
       [] {
         auto b = with_keys();
         b.n_keys = 3;
         return b.build() + std::string(6, 0);
       },
       "in key 3 of 3"},
      {"KeyWithZeroByte",
       [] { return with_keys().number<std::uint32_t>(std::string_view("k\0x", 3), kU32, 1).build(); },
       "without zero bytes"},
      {"KeyNotUtf8", [] { return with_keys().number<std::uint32_t>("k\xff", kU32, 1).build(); }, "expected UTF-8"},
      {"ValueCut", [] { return with_keys().value("k", 12, "1234").build() + std::string(3, 0); }, "7 remain"},
      {"NegativeType", [] { return with_keys().number<std::uint32_t>("k", -1, 1).build(); }, "value type -1"},
      {"StringPastTheEnd", [] { return with_keys().value("k", kString, le(std::uint64_t{100}) + "short").build(); },
       "expected 100 bytes"},
      {"BoolOfTwo", [] { return with_keys().number<std::uint8_t>("k", kBool, 2).build(); }, "0 or 1, found 2"},
      {"AlignmentZero", [] { return with_keys().number<std::uint32_t>("general.alignment", kU32, 0).build(); },
       "no power of two"},
      {"AlignmentAsArray", [] { return with_keys().array("general.alignment", kU32, 1, le(32u)).build(); },
       "expected a u32"},
      {"ArrayPastTheEnd", [] { return with_keys().array("k", kU32, 100, "1234").build(); }, "claims 100 elements"},
      {"ArrayOfHugeCount", [] { return with_keys().array("k", 0, ~std::uint64_t{0}, "1234").build(); },
       "an array claims"},
      {"ArrayOfUnknownType", [] { return with_keys().array("k", 13, 0, "").build() + std::string(8, 0); },
       "value type 13"},
      {"ArrayOfArrays", [] { return with_keys().array("k", kArray, 0, "").build() + std::string(8, 0); },
       "arrays of arrays"},
      {"ArrayBombOfBytes", [] { return with_keys().array("k", 0, 9'000'000, std::string(9'000'000, 0)).build(); },
       "array elements", ErrorCode::resource},
      {"ArrayOfBadBools", [] { return with_keys().array("k", kBool, 2, "\x01\x07").build(); }, "in array element 1"},
      {"TensorNamePastTheEnd",
       [] { return one({.name = "a", .ne = {8}, .data = std::string(32, 0), .name_size = 5000}).build(); },
       "a tensor name"},
      {"TensorNameWithZeroByte",
       [] { return one({.name = std::string("a\0b", 3), .ne = {8}, .data = std::string(32, 0)}).build(); },
       "without zero bytes"},
      {"TensorRankHuge",
       [] { return one({.name = "a", .ne = {8}, .data = std::string(32, 0), .n_dims = ~0u}).build(); },
       "dimensions, the limit"},
      {"TensorRemovedType",
       [] { return one({.name = "a", .ne = {32}, .type = 4, .data = std::string(32, 0)}).build(); },
       "removed from the format"},
      {"TensorOfATypeWithoutADecoder", [] { return one({.name = "a", .ne = {64}, .type = 40, .data = std::string(36, 0)}).build(); },
       "nvfp4", ErrorCode::unsupported},
      {"TensorRowCutsABlock",
       [] {
         return one({.name = "a", .ne = {172, 64}, .type = 2, .data = std::string(6192, 0)}).build();
       },
       "whole number of q4_0 blocks"},
      {"TrailingBytes", [] { return with_tensors().build() + "x"; }, "bytes of tensor data"},
      {"TrailingBytesWithoutTensors", [] { return with_keys().build() + std::string(64, 'x'); },
       "bytes of tensor data"},
      {"NoDataAtAll", [] { return cut(with_tensors().build(), 96); }, "the file holds 0"},
      {"Scalar", [] { return one({.name = "a", .ne = {}, .data = "abcd"}).build(); }},
      {"PaddedVocabulary", [] { return with_keys().build() + std::string(3, 0); }},
  };
}

inline std::vector<GgufCase> llama_cpp_gguf_cases() {
  std::vector<GgufCase> all;
  for (const auto& group : {gguf_header_cases(), gguf_key_cases(), gguf_tensor_cases(), gguf_data_cases()})
    all.insert(all.end(), group.begin(), group.end());
  return all;
}

}  // namespace vauban::test
