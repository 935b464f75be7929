/// vauban hex MODEL|FILE [TENSOR]: bytes, and what they mean.

#include <algorithm>
#include <filesystem>
#include <optional>

#include "app/command.h"
#include "app/hex/regions.h"
#include "app/hex/values.h"
#include "app/open.h"
#include "app/shown_text.h"
#include "base/files.h"
#include "base/strings.h"

namespace vauban {
namespace {

constexpr std::int64_t kMaxLength = std::int64_t{1} << 24;
constexpr std::size_t kRow = 16;

struct HexConfig {
  std::string target, tensor, as;
  std::int64_t offset = 0, length = 256;
  int file = 0, limit = 200;
  CommonOptions common;
};

void fields(HexConfig& c, FieldVisitor& f) {
  f("target", c.target, {.help = "model folder, .gguf, or any file", .required = true, .positional = true, .metavar = "MODEL|FILE", .file = true});
  f("tensor", c.tensor, {.help = "the tensor whose bytes are shown; without one: the file's", .positional = true});
  f("offset", c.offset, {.help = "first byte, of the tensor or of the file", .min = 0, .unit = "bytes"});
  f("length", c.length, {.help = "how many", .min = 1, .max = static_cast<double>(kMaxLength), .unit = "bytes"});
  f("as", c.as, {.help = "read the bytes of a file as this type: f32, bf16, u16, q8_0 ..."});
  f("file", c.file, {.help = "which file of a model in several", .min = 0});
  f("limit", c.limit, {.help = "regions listed; 0: all", .min = 0});
  fields(c.common, f);
}

/// A stretch of a file, and how to read it.
struct Stretch {
  std::shared_ptr<const MappedFile> file;
  std::uint64_t begin = 0, end = 0;  ///< bytes of the file
  std::optional<DType> dtype;
  std::int64_t first_element = 0;    ///< number of the first value
};

std::string hex_of(std::span<const std::byte> bytes) {
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); ++i) out += format("{}{:02x}", i > 0 ? " " : "", std::to_integer<unsigned>(bytes[i]));
  return out;
}

std::string ascii_of(std::span<const std::byte> bytes) {
  std::string out;
  for (const std::byte b : bytes) {
    const unsigned c = std::to_integer<unsigned>(b);
    out += c >= 0x20 && c < 0x7F ? static_cast<char>(c) : '.';
  }
  return out;
}

/// Bytes of a line: 16, or one block.
std::size_t line_bytes(const Stretch& stretch) {
  const std::size_t unit = stretch.dtype ? unit_bytes(*stretch.dtype) : 0;
  return unit == 0 || kRow % unit == 0 ? kRow : unit;
}

Result<Json> lines_of(const Stretch& stretch, const FileMap& map) {
  const std::span<const std::byte> bytes = stretch.file->bytes();
  const std::size_t step = line_bytes(stretch);
  auto region = std::ranges::lower_bound(map.regions, stretch.begin, {}, &FileRegion::begin);
  // The one in whose middle the stretch begins is named too.
  if (region != map.regions.begin() && std::prev(region)->end > stretch.begin) --region;
  Json lines = Json::array();
  std::int64_t element = stretch.first_element;
  for (std::uint64_t at = stretch.begin; at < stretch.end; at += step) {
    const std::uint64_t end = std::min<std::uint64_t>(at + step, stretch.end);
    const auto part = bytes.subspan(static_cast<std::size_t>(at), static_cast<std::size_t>(end - at));
    Json line = Json::object({{"offset", at}, {"hex", hex_of(part)}, {"ascii", ascii_of(part)}});
    if (stretch.dtype) {
      VB_TRY(const ByteValues values, values_of(*stretch.dtype, part));
      line["first"] = element;
      line["values"] = Json(values.numbers);
      line["texts"] = Json(values.texts);
      element += static_cast<std::int64_t>(values.texts.size());
    }
    Json names = Json::array();
    for (; region != map.regions.end() && region->begin < end; ++region)
      names.push_back(region->name.empty() ? region->what : region->what + " " + region->name);
    if (names.size() > 0) line["regions"] = std::move(names);
    lines.push_back(std::move(line));
  }
  return lines;
}

std::string values_text(const Json& line) {
  std::vector<std::string> words;
  for (const Json& word : line.find("texts")->items()) words.push_back(word.as_string());
  return format("[{}] {}", line.find("first")->as_int(), join(words, " "));
}

/// A block has more bytes than a row: its rows, then its values by eights.
std::string block_text(const Json& line) {
  const std::string& hex = line.find("hex")->as_string();
  const std::int64_t offset = line.find("offset")->as_int();
  std::string out;
  constexpr std::size_t kRowText = 3 * kRow;
  for (std::size_t at = 0; at < hex.size(); at += kRowText)
    out += format("{:08x}  {}\n", offset + static_cast<std::int64_t>(at / 3), hex.substr(at, std::min(kRowText - 1, hex.size() - at)));
  const Json::Array& words = line.find("texts")->items();
  const std::int64_t first = line.find("first")->as_int();
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i % 8 == 0) out += format("{}{:>9}", i > 0 ? "\n" : "", format("[{}]", first + static_cast<std::int64_t>(i)));
    out += format(" {:>12}", words[i].as_string());
  }
  return out + "\n";
}

std::string lines_text(const Json& lines, std::size_t step) {
  std::string out;
  for (const Json& line : lines.items()) {
    if (step != kRow) {
      out += block_text(line);
      continue;
    }
    out += format("{:08x}  {:<47}  ", line.find("offset")->as_int(), line.find("hex")->as_string());
    out += line.find("texts") ? values_text(line) : format("|{:<16}|", line.find("ascii")->as_string());
    if (const Json* names = line.find("regions"))
      for (const Json& name : names->items()) out += "  " + shown(name.as_string(), 60);
    out += "\n";
  }
  return out;
}

/// What is only for people stays out of the document.
Json without_texts(const Json& lines) {
  Json out = Json::array();
  for (const Json& line : lines.items()) {
    Json::Object kept = line.entries();
    kept.erase("texts");
    out.push_back(Json(std::move(kept)));
  }
  return out;
}

Result<int> print_stretch(const Stretch& stretch, const FileMap& map, Json head, const std::string& title, Session& session) {
  VB_TRY(const Json lines, lines_of(stretch, map));
  if (!session.out().json()) {
    session.out().text(title + "\n" + lines_text(lines, line_bytes(stretch)));
    return 0;
  }
  head["offset"] = stretch.begin;
  head["bytes"] = stretch.end - stretch.begin;
  head["dtype"] = stretch.dtype ? Json(to_string(*stretch.dtype)) : Json();
  head["lines"] = without_texts(lines);
  VB_CHECK(session.out().print_json(head));
  return 0;
}

std::string file_name(const MappedFile& file) { return file.path().filename().string(); }

// ---- a tensor

Result<int> show_tensor(const HexConfig& config, Session& session) {
  if (!config.as.empty()) return with_hint(invalid_input("--as is for the bytes of a file; a tensor has its own type"), "leave the tensor away");
  VB_TRY(const ModelSource source, open_single_source(config.target));
  const TensorEntry* tensor = source.file->find(config.tensor);
  if (!tensor) {
    std::vector<std::string> names;
    for (const TensorEntry& known : source.file->tensors()) names.push_back(known.name);
    const std::string near = did_you_mean(config.tensor, names);
    return with_hint(not_found("no tensor '{}'", shown(config.tensor)),
                     near.empty() ? format("`vauban tensors {}` lists them", config.target) : format("did you mean '{}'?", shown(near)));
  }
  const TensorView& view = tensor->view;
  const std::size_t unit = unit_bytes(view.dtype);
  const auto size = static_cast<std::int64_t>(view.bytes.size());
  if (config.offset > 0 && config.offset >= size)
    return with_hint(invalid_input("--offset {}: '{}' has {} bytes", config.offset, shown(tensor->name), size), "offsets of a tensor begin at 0");
  if (unit > 1 && config.offset % static_cast<std::int64_t>(unit) != 0)
    return with_hint(invalid_input("--offset {}: {} is read by {} bytes", config.offset, to_string(view.dtype), unit),
                     format("--offset {}", config.offset / static_cast<std::int64_t>(unit) * static_cast<std::int64_t>(unit)));
  std::int64_t length = std::min(config.length, size - config.offset);
  if (unit > 0) length = (length + static_cast<std::int64_t>(unit) - 1) / static_cast<std::int64_t>(unit) * static_cast<std::int64_t>(unit);
  length = std::min(length, size - config.offset);
  Stretch stretch{.file = source.file->files()[tensor->file], .begin = 0, .end = 0, .dtype = {}, .first_element = 0};
  const auto start = view.bytes.empty() ? 0 : static_cast<std::uint64_t>(view.bytes.data() - stretch.file->bytes().data());
  stretch.begin = start + static_cast<std::uint64_t>(config.offset);
  stretch.end = stretch.begin + static_cast<std::uint64_t>(length);
  if (values_of(view.dtype, {})) stretch.dtype = view.dtype;
  if (unit > 0) stretch.first_element = config.offset / static_cast<std::int64_t>(unit) * info(view.dtype).block;
  const std::span<const std::int64_t> dims = view.shape.dims();
  Json head = Json::object({{"tensor", tensor->name}, {"shape", Json(std::vector<std::int64_t>(dims.begin(), dims.end()))},
                            {"stored_as", to_string(view.dtype)}, {"file", stretch.file->path().string()}, {"begin", start}, {"size", size}});
  const std::string title = format("{}  {} {}  bytes {} to {} of {}{}", shown(tensor->name), to_string(view.dtype), view.shape.to_string(), start,
                                   start + static_cast<std::uint64_t>(size), shown(file_name(*stretch.file)),
                                   stretch.dtype ? "" : format("; no decoder for {}", to_string(view.dtype)));
  return print_stretch(stretch, {}, std::move(head), title, session);
}

// ---- a file

Result<std::shared_ptr<const MappedFile>> file_of(const HexConfig& config) {
  std::error_code ignored;
  if (std::filesystem::is_regular_file(config.target, ignored)) {
    if (config.file > 0) return invalid_input("--file {}: {} is one file", config.file, config.target);
    return MappedFile::open(config.target);
  }
  const Result<ModelSource> source = open_single_source(config.target);
  if (!source && source.error().code == ErrorCode::corrupt)
    return with_hint(source.error(), "name the file itself: a broken one is shown as far as it makes sense");
  if (!source) return source.error();
  const auto& files = source->file->files();
  if (static_cast<std::size_t>(config.file) >= files.size())
    return with_hint(invalid_input("--file {}: the model has {} file{}", config.file, files.size(), files.size() == 1 ? "" : "s"), "the first is 0");
  return files[static_cast<std::size_t>(config.file)];
}

Result<int> show_range(const HexConfig& config, const std::shared_ptr<const MappedFile>& file, Session& session) {
  const auto size = static_cast<std::int64_t>(file->bytes().size());
  if (config.offset >= size) return invalid_input("--offset {}: {} has {} bytes", config.offset, config.target, size);
  Stretch stretch{.file = file, .begin = static_cast<std::uint64_t>(config.offset),
                  .end = static_cast<std::uint64_t>(config.offset + std::min(config.length, size - config.offset)), .dtype = {}, .first_element = 0};
  if (!config.as.empty()) {
    VB_TRY(stretch.dtype, dtype_from_name(config.as), "in --as");
    VB_CHECK(values_of(*stretch.dtype, {}), "in --as");
    const std::size_t unit = unit_bytes(*stretch.dtype);
    stretch.end -= (stretch.end - stretch.begin) % unit;  // whole values alone
    if (stretch.end == stretch.begin)
      return invalid_input("--as {}: {} bytes are needed, {} were asked for or are left", config.as, unit, std::min(config.length, size - config.offset));
  }
  Json head = Json::object({{"file", file->path().string()}, {"size", size}});
  return print_stretch(stretch, map_of(file->bytes()), std::move(head), format("{}  {} bytes", shown(file_name(*file)), size), session);
}

Result<int> show_regions(const HexConfig& config, const std::shared_ptr<const MappedFile>& file, Session& session) {
  const FileMap map = map_of(file->bytes());
  const std::size_t count = config.limit > 0 ? std::min<std::size_t>(static_cast<std::size_t>(config.limit), map.regions.size()) : map.regions.size();
  Json rows = Json::array();
  std::string out = format("{}  {} bytes, {}\n", shown(file_name(*file)), file->bytes().size(), map.format.empty() ? "not a model file" : map.format);
  for (std::size_t i = 0; i < count; ++i) {
    const FileRegion& region = map.regions[i];
    const auto size = static_cast<std::size_t>(region.end - region.begin);
    const std::string first = hex_of(file->bytes().subspan(static_cast<std::size_t>(region.begin), std::min<std::size_t>(size, 8)));
    // A file that is not ours may hold any bytes where names belong.
    rows.push_back(Json::object({{"begin", region.begin}, {"end", region.end}, {"what", region.what}, {"name", printable(region.name, 4096)},
                                 {"value", printable(region.value, 4096)}, {"hex", first}}));
    out += format("{:08x} {:>12}  {:<24} {:<14} {}{}{}\n", region.begin, size, first + (size > 8 ? "+" : ""), region.what,
                  shown(region.name), region.name.empty() || region.value.empty() ? "" : " = ", shown(region.value));
  }
  const std::size_t left = map.regions.size() - count;
  if (!session.out().json()) {
    if (left > 0) out += format("{} more regions: --limit 0 lists all\n", left);
    if (!map.problem.empty()) out += "ends here: " + shown(map.problem, 500) + "\n";
    session.out().text(out);
    return 0;
  }
  VB_CHECK(session.out().print_json(Json::object({{"file", file->path().string()}, {"size", file->bytes().size()},
                                                  {"format", map.format.empty() ? Json() : Json(map.format)}, {"regions", std::move(rows)},
                                                  {"left_out", left}, {"problem", map.problem.empty() ? Json() : Json(map.problem)}})));
  return 0;
}

Result<int> run_hex(const HexConfig& config, Session& session) {
  if (!config.tensor.empty()) return show_tensor(config, session);
  VB_TRY(const auto file, file_of(config));
  const bool range = session.was_given("offset") || session.was_given("length") || !config.as.empty();
  // Bytes that mean nothing here are shown as they are.
  if (range || (!file->bytes().empty() && map_of(file->bytes()).format.empty())) return show_range(config, file, session);
  return show_regions(config, file, session);
}

}  // namespace

Command hex_command() {
  return make_command<HexConfig>(
      {"hex", "bytes of a tensor or a file, with what they mean",
       "With a tensor: its bytes, place in the file and values; block types a block at a time, decoded. Without: the regions of a safetensors or "
       "GGUF file, from the header's first field to the last tensor; a broken file as far as it makes sense, and why not further. With --offset, "
       "--length or --as: bytes of the file, each line with the regions that begin in it.\n\n"
       "Examples:\n\n"
       "  vauban hex MODEL model.norm.weight --length 64\n\n"
       "  vauban hex model.gguf\n\n"
       "  vauban hex model.gguf --offset 0 --length 512\n\n"
       "  vauban hex weights.bin --offset 1024 --as f32 --json"},
      run_hex);
}

}  // namespace vauban
