// Writes the corpora of the container formats: make_fuzz_corpus FOLDER. Only their bytes matter to the replay; run it
// again after a change of the cases, and commit what changed.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>

#include "support/compressed_layouts.h"
#include "support/gguf_cases.h"
#include "support/safetensors_bytes.h"

namespace {

namespace fs = std::filesystem;
using Files = std::map<std::string, std::string>;

constexpr std::size_t kLargest = 4096;

Files gguf_files() {
  Files files;
  for (const auto& cases : {vauban::test::llama_cpp_gguf_cases(), vauban::test::further_gguf_cases()})
    for (const auto& one : cases) files[one.name] = one.build();
  files["EveryKindOfValue"] = vauban::test::every_kind_of_value().build();
  files["Quantised"] = vauban::test::one({.name = "q", .ne = {32}, .type = 2, .data = std::string(18, '\x35')}).build();
  return files;
}

Files safetensors_files() {
  const struct {
    const char* name;
    const char* header;
    std::size_t data_bytes;
  } rows[] = {
      {"check_vector", R"({"test":{"dtype":"I32","shape":[2,2],"data_offsets":[0,16]}})", 16},
      {"empty_header", "{}", 0},
      {"metadata",
       R"({"__metadata__":{"format":"pt","note":"x"},"s":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}  )", 4},
      {"metadata_null", R"({"__metadata__":null})", 0},
      {"metadata_list", R"({"__metadata__":["format"]})", 0},
      {"metadata_number", R"({"__metadata__":{"format":1}})", 0},
      {"several",
       R"({"b":{"dtype":"BF16","shape":[2],"data_offsets":[4,8]},"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
       R"("z":{"dtype":"F64","shape":[0],"data_offsets":[8,8]}})",
       8},
      {"sub_byte", R"({"a":{"dtype":"F4","shape":[4],"data_offsets":[0,2]}})", 2},
      {"sub_byte_odd", R"({"a":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}})", 2},
      {"no_length", "", 0},
      {"leading_space", " {}", 0},
      {"not_json", "{x}", 0},
      {"not_utf8", "{\"\xff\":1}", 0},
      {"escapes", R"({"\u00e9\n\"":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1},
      {"repeated_key", R"({"a":1,"a":2})", 0},
      {"entry_is_number", R"({"a":1})", 0},
      {"no_dtype", R"({"a":{"shape":[1],"data_offsets":[0,1]}})", 1},
      {"unknown_dtype", R"({"a":{"dtype":"Q9","shape":[1],"data_offsets":[0,1]}})", 1},
      {"no_shape", R"({"a":{"dtype":"U8","data_offsets":[0,1]}})", 1},
      {"negative_shape", R"({"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}})", 1},
      {"rank_nine", R"({"a":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]}})", 1},
      {"overflow_elements", R"({"a":{"dtype":"U8","shape":[4611686018427387904,4],"data_offsets":[0,1]}})", 1},
      {"overflow_bytes", R"({"a":{"dtype":"F64","shape":[2305843009213693953,2],"data_offsets":[0,16]}})", 16},
      {"no_offsets", R"({"a":{"dtype":"U8","shape":[1]}})", 1},
      {"one_offset", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0]}})", 1},
      {"fractional_offset", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1.5]}})", 1},
      {"text_offset", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":["0",1]}})", 1},
      {"overlap",
       R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})",
       6},
      {"hole",
       R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[6,10]}})",
       10},
      {"backwards",
       R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[0],"data_offsets":[4,2]}})",
       4},
      {"wrong_size", R"({"a":{"dtype":"I32","shape":[2,2],"data_offsets":[0,8]}})", 8},
      {"trailing", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 2},
      {"missing", R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 3},
  };
  Files files;
  for (const auto& row : rows) files[row.name] = vauban::test::safetensors_bytes(row.header, row.data_bytes);
  files["too_short"] = "1234567";
  files["length_above_limit"] = vauban::test::with_length(files["check_vector"], 100'000'001);
  files["length_past_end"] = vauban::test::with_length(files["check_vector"], 4000);
  files["index"] = R"({"metadata":{"total_size":8},"weight_map":{"a":"m-1.safetensors","b":"m-2.safetensors"}})";
  files["index_escapes"] = R"({"weight_map":{"a":"../m.safetensors"}})";
  files["index_size"] = R"({"metadata":{"total_size":"8"},"weight_map":{"a":"m.safetensors"}})";
  files["index_number"] = R"({"weight_map":{"a":1}})";
  files["index_empty"] = R"({"weight_map":{}})";
  return files;
}

/// A line of configuration and a safetensors file (fuzz_compressed.cpp).
Files compressed_files() {
  Files files;
  for (const vauban::test::Layout& layout : vauban::test::compressed_layouts()) {
    const std::string number = std::to_string(files.size());
    files["layout_" + number] = std::string(layout.config) + "\n" + vauban::test::safetensors_of(layout.parts);
  }
  files["no_tensors"] = "{\"quant_method\": \"gptq\", \"bits\": 4}\n" + vauban::test::safetensors_bytes("{}", 0);
  files["unknown_method"] = "{\"quant_method\": \"magic\"}\n" + vauban::test::safetensors_bytes("{}", 0);
  return files;
}

bool write_all(const fs::path& folder, const Files& files) {
  fs::create_directories(folder);
  for (const auto& [name, bytes] : files)
    if (bytes.size() <= kLargest && !(std::ofstream(folder / name, std::ios::binary) << bytes).flush()) return false;
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: %s FOLDER\n", argv[0]), 2;
  const fs::path folder = argv[1];
  const bool written = write_all(folder / "gguf", gguf_files()) && write_all(folder / "safetensors", safetensors_files()) &&
                       write_all(folder / "compressed", compressed_files());
  return written ? 0 : 1;
}
