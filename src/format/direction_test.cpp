#include "format/direction.h"

#include <bit>
#include <cstring>
#include <limits>

#include "base/json_file.h"
#include "format/gguf.h"
#include "format/gguf_writer.h"
#include "format/safetensors.h"
#include "format/safetensors_writer.h"
#include "support/test_data.h"

namespace vauban {
namespace {

LayerDirection layer(int index, std::vector<float> direction, float norm = 2.5F) {
  return {.layer = index,
          .direction = std::move(direction),
          .norm = norm,
          .mean_positive = {},
          .mean_negative = {},
          .basis = {}};
}

DirectionFile small() {
  DirectionFile file;
  file.layers = {layer(1, {0.6F, 0.8F, 0}), layer(4, {0, 0, 1}, 0.25F)};
  file.layers[0].mean_positive = {1, 2, 3};
  file.layers[0].mean_negative = {-1, 0, 3};
  file.layers[0].basis = {0.6F, 0.8F, 0, 0, 0, 1};
  file.chosen = 4;
  file.provenance = {{"site", "mlp_out"}, {"model_digest", "ab12"}, {"architecture", "llama"}};
  return file;
}

TensorOut f32_tensor(std::string name, std::vector<float> values) {
  std::vector<std::byte> bytes(values.size() * 4);
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return {std::move(name), DType::f32, {static_cast<std::int64_t>(values.size())}, [bytes]() -> Result<TensorBytes> {
            return TensorBytes::own(bytes);
          }};
}

std::string refusal(const std::filesystem::path& path) {
  const auto file = read_directions(path);
  return file ? "accepted" : describe(file.error());
}

TEST(DirectionFile, ReadsBackWhatWasWrittenAndIsAddressedByItsBytes) {
  const test::TempDir folder;
  const auto digest = write_directions(folder / "d.safetensors", small());
  VB_ASSERT_OK(digest);
  const auto read = read_directions(folder / "d.safetensors");
  VB_ASSERT_OK(read);
  EXPECT_EQ(read->digest, *digest);
  EXPECT_EQ(read->chosen, 4);
  EXPECT_EQ(read->site(), "mlp_out");
  EXPECT_EQ(read->width(), 3);
  ASSERT_EQ(read->layers.size(), 2u);
  EXPECT_EQ(read->layers[0].direction, small().layers[0].direction);
  EXPECT_EQ(read->layers[0].mean_negative, small().layers[0].mean_negative);
  EXPECT_EQ(read->layers[0].basis, small().layers[0].basis);
  EXPECT_EQ(read->layers[1].norm, 0.25F);
  const auto again = write_directions(folder / "again.safetensors", *read);
  VB_ASSERT_OK(again);
  EXPECT_EQ(*again, *digest) << "equal content, equal bytes";
}

TEST(DirectionFile, AControlVectorHoldsTheScaledDirectionAndSurvivesARoundTrip) {
  const test::TempDir folder;
  VB_ASSERT_OK(write_directions(folder / "d.gguf", small()));
  const auto read = read_directions(folder / "d.gguf");
  VB_ASSERT_OK(read);
  EXPECT_EQ(read->layers[0].layer, 1);
  EXPECT_EQ(read->layers[0].direction, (std::vector<float>{1.5F, 2.0F, 0}));
  EXPECT_EQ(read->layers[0].norm, 1.0F);
  EXPECT_EQ(read->layers[1].offset(), small().layers[1].offset());
  EXPECT_EQ(read->site(), "mlp_out");
  const auto raw = open_gguf(folder / "d.gguf");
  VB_ASSERT_OK(raw);
  EXPECT_EQ((*raw)->metadata().find("general.architecture")->as_string(), "controlvector");
  EXPECT_EQ((*raw)->metadata().find("controlvector.model_hint")->as_string(), "llama");
  EXPECT_EQ((*raw)->metadata().find("controlvector.layer_count")->as_int(), 2);
  VB_ASSERT_OK(write_directions(folder / "again.gguf", *read));
  const auto again = read_directions(folder / "again.gguf");
  VB_ASSERT_OK(again);
  EXPECT_EQ(again->layers[1].direction, read->layers[1].direction);
  EXPECT_EQ(again->site(), "mlp_out");
}

TEST(DirectionFile, AControlVectorOfAnotherToolIsRead) {
  const test::TempDir folder;
  const std::vector<GgufKey> keys{GgufKey::text("general.architecture", "controlvector"),
                                  GgufKey::text("controlvector.model_hint", "mistral"),
                                  GgufKey::u32("controlvector.layer_count", 2)};
  VB_ASSERT_OK(
      write_gguf(folder / "c.gguf", keys, {f32_tensor("direction.10", {1, 2}), f32_tensor("direction.9", {3, 4})}));
  const auto read = read_directions(folder / "c.gguf");
  VB_ASSERT_OK(read);
  ASSERT_EQ(read->layers.size(), 2u);
  EXPECT_EQ(read->layers[0].layer, 9) << "by number, not by name";
  EXPECT_EQ(read->layers[1].offset(), (std::vector<float>{1, 2}));
  EXPECT_FALSE(read->chosen);
}

TEST(DirectionFile, LayerZeroHasNoPlaceInAControlVector) {
  const test::TempDir folder;
  DirectionFile file = small();
  file.layers.insert(file.layers.begin(), layer(0, {1, 0, 0}));
  const auto written = write_directions(folder / "d.gguf", file);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::invalid_input);
  VB_EXPECT_OK(write_directions(folder / "d.safetensors", file));
  const std::vector<GgufKey> keys{GgufKey::text("general.architecture", "controlvector")};
  VB_ASSERT_OK(write_gguf(folder / "zero.gguf", keys, {f32_tensor("direction.0", {1, 2})}));
  EXPECT_NE(refusal(folder / "zero.gguf").find("count from 1"), std::string::npos);
  const std::vector<GgufKey> model{GgufKey::text("general.architecture", "llama")};
  VB_ASSERT_OK(write_gguf(folder / "model.gguf", model, {f32_tensor("direction.1", {1, 2})}));
  EXPECT_NE(refusal(folder / "model.gguf").find("found 'llama'"), std::string::npos);
}

TEST(DirectionFile, RefusesWhatCannotBeADirection) {
  const test::TempDir folder;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto written = [&](std::vector<std::pair<std::string, std::vector<float>>> tensors, Shape shape = {2},
                           SafetensorsMetadata metadata = {}) {
    std::vector<NamedTensorView> views;
    for (const auto& [name, values] : tensors)
      views.push_back({name, {DType::f32, shape, std::as_bytes(std::span(values))}});
    EXPECT_TRUE(write_safetensors(folder / "x.safetensors", views, metadata));
    return refusal(folder / "x.safetensors");
  };
  EXPECT_NE(written({{"other", {1, 2}}}).find("found none"), std::string::npos);
  EXPECT_NE(written({{"direction.one", {1, 2}}}).find("layer number"), std::string::npos);
  EXPECT_NE(written({{"direction.01", {1, 2}}}).find("layer number"), std::string::npos);
  EXPECT_NE(written({{"direction.1", {1, nan}}}).find("NaN"), std::string::npos);
  EXPECT_NE(written({{"direction.1", {1, nan}}}).find("`vauban measure` writes"), std::string::npos);
  EXPECT_NE(written({{"direction.1", {0, 0}}}).find("zero vector"), std::string::npos);
  EXPECT_NE(written({{"direction.1", {1, 2}}}, {1, 2}).find("rank 1"), std::string::npos);
  EXPECT_NE(written({{"direction.1", {1, 2}}, {"norm.1", {1, 2}}}).find("one value"), std::string::npos);
  EXPECT_NE(written({{"direction.1", {1, 2}}}, {2}, {{"chosen", "3"}}).find("chosen layer 3"), std::string::npos);
  DirectionFile slanted = small();
  slanted.layers[0].basis = {0.6F, 0.8F, 0, 0, 0.01F, 1};
  EXPECT_NE(describe(write_directions(folder / "b.safetensors", slanted).error()).find("orthonormal rows"),
            std::string::npos);
  slanted.layers[0].basis = {0.6F, 0.8F, 0, 0, 1e-4F, 1};
  VB_EXPECT_OK(write_directions(folder / "b.safetensors", slanted));
  slanted.layers[0].basis = {0.6F, 0.8F, 0, 0, 0, 1.01F};
  EXPECT_FALSE(write_directions(folder / "b.safetensors", slanted)) << "a row that is too long";
  DirectionFile widths = small();
  widths.layers[1].direction = {1, 0};
  EXPECT_FALSE(write_directions(folder / "w.safetensors", widths));
  EXPECT_FALSE(std::filesystem::exists(folder / "w.safetensors"));
}

std::vector<float> floats_of(const Json& tensors, int layer) {
  std::vector<float> out;
  for (const Json& bits : tensors.find(format("direction.{}", layer))->find("bits")->items())
    out.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(bits.as_int())));
  return out;
}

std::vector<std::uint32_t> bits_of(const std::vector<float>& values) {
  std::vector<std::uint32_t> out;
  for (const float value : values) out.push_back(std::bit_cast<std::uint32_t>(value));
  return out;
}

/// Frozen answers of the Python package `gguf`: tests/peers/control_vector.
TEST(DirectionFile, AControlVectorIsWhatLlamaCppsOwnPackageReadsAndWrites) {
  const auto peer = read_json_file(test::source_dir() / "tests/peers/control_vector/peer.json");
  VB_ASSERT_OK(peer);
  const Json &theirs = *peer->find("written_by_gguf"), &ours = *peer->find("read_by_gguf");
  const test::TempDir folder;
  std::string bytes;
  const std::string hex = theirs.find("file_hex")->as_string();
  for (std::size_t i = 0; i < hex.size(); i += 2) bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  VB_ASSERT_OK(write_file_atomic(folder / "theirs.gguf", bytes));
  const auto read = read_directions(folder / "theirs.gguf");
  VB_ASSERT_OK(read);
  ASSERT_EQ(read->layers.size(), 3u);
  for (const LayerDirection& entry : read->layers)
    EXPECT_EQ(bits_of(entry.offset()), bits_of(floats_of(*theirs.find("tensors"), entry.layer))) << entry.layer;

  DirectionFile file;
  for (const int index : {1, 2, 12})
    file.layers.push_back({.layer = index, .direction = floats_of(*theirs.find("tensors"), index)});
  file.provenance = {{"architecture", "llama"}, {"site", "resid_post"}};
  const auto digest = write_directions(folder / "ours.gguf", file);
  VB_ASSERT_OK(digest);
  EXPECT_EQ(*digest, ours.find("sha256")->as_string()) << "the bytes that the package read";
  EXPECT_EQ(ours.find("architecture")->as_string(), "controlvector");
  EXPECT_EQ(ours.find("model_hint")->as_string(), "llama");
  EXPECT_EQ(ours.find("layer_count")->as_int(), 3);
  for (const LayerDirection& entry : file.layers)
    EXPECT_EQ(bits_of(floats_of(*ours.find("tensors"), entry.layer)), bits_of(entry.direction)) << entry.layer;
}

/// Mean differences of a real model (Arditi et al. 2024): the published direction is the one at its published place,
/// and the whole file survives being written again.
TEST(DirectionFile, ThePublishedRefusalDirectionIsTheMeanDifferenceAtItsPublishedPlace) {
  const std::string folder = "behavior/refusal_direction/qwen-1_8b-chat/";
  VB_NEED_SHARED(folder + "directions.safetensors");
  const auto file = open_safetensors(test::shared_data() / (folder + "directions.safetensors"));
  VB_ASSERT_OK(file);
  const auto choice = Json::parse(test::read_text(test::shared_data() / (folder + "direction_metadata.json")));
  VB_ASSERT_OK(choice);
  const auto differences = decode_f64((*file)->find("mean_diffs")->view);
  const auto published = decode_f64((*file)->find("direction")->view);
  VB_ASSERT_OK(differences);
  VB_ASSERT_OK(published);
  ASSERT_EQ((*file)->find("mean_diffs")->view.shape.to_string(), "[5, 24, 2048]");
  const std::int64_t row = (5 + choice->find("pos")->as_int()) * 24 + choice->find("layer")->as_int();
  const auto begin = differences->begin() + row * 2048;
  EXPECT_TRUE(std::equal(published->begin(), published->end(), begin));

  DirectionFile all;
  for (int index = 0; index < 24; ++index) {
    const auto first = differences->begin() + (3 * 24 + index) * 2048;
    all.layers.push_back(layer(index, std::vector<float>(first, first + 2048), 1.0F));
  }
  // The published container itself: read and written again, every tensor's bytes; written once more, the same file.
  // (Its header is another writer's JSON, with blanks.)
  const test::TempDir out;
  const auto rewrite = [](const ModelFile& from, const std::filesystem::path& to) {
    std::vector<NamedTensorView> tensors;
    for (const TensorEntry& entry : from.tensors()) tensors.push_back({entry.name, entry.view});
    SafetensorsMetadata kept;
    for (const auto& [key, value] : from.metadata().entries())
      if (value.is_string()) kept[key] = value.as_string();
    return write_safetensors(to, tensors, kept);
  };
  VB_ASSERT_OK(rewrite(**file, out / "copy.safetensors"));
  const auto copy = open_safetensors(out / "copy.safetensors");
  VB_ASSERT_OK(copy);
  EXPECT_EQ((*copy)->metadata(), (*file)->metadata());
  ASSERT_EQ((*copy)->tensors().size(), 2u);
  for (const TensorEntry& entry : (*copy)->tensors())
    EXPECT_EQ((*copy)->tensor_digest(entry), (*file)->tensor_digest(*(*file)->find(entry.name))) << entry.name;
  VB_ASSERT_OK(rewrite(**copy, out / "again.safetensors"));
  EXPECT_TRUE(test::read_text(out / "again.safetensors") == test::read_text(out / "copy.safetensors"));

  const auto digest = write_directions(out / "a.safetensors", all);
  VB_ASSERT_OK(digest);
  const auto read = read_directions(out / "a.safetensors");
  VB_ASSERT_OK(read);
  for (int index = 0; index < 24; ++index) EXPECT_EQ(read->find(index)->direction, all.find(index)->direction);
  EXPECT_EQ(*write_directions(out / "b.safetensors", *read), *digest);

  // As a control vector: every bit of the values, and the same bytes when it is written again.
  all.layers.erase(all.layers.begin());
  const auto vector = write_directions(out / "a.gguf", all);
  VB_ASSERT_OK(vector);
  const auto back = read_directions(out / "a.gguf");
  VB_ASSERT_OK(back);
  ASSERT_EQ(back->layers.size(), 23u);
  for (int index = 1; index < 24; ++index) EXPECT_EQ(back->find(index)->direction, all.find(index)->direction);
  EXPECT_EQ(*write_directions(out / "b.gguf", *back), *vector);
}

TEST(DirectionFile, TheExtensionSaysInAnyCaseWhatIsWritten) {
  const test::TempDir folder;
  DirectionFile file;
  file.layers = {{.layer = 1, .direction = {0.6F, 0.8F}}};
  VB_ASSERT_OK(write_directions(folder / "d.GGUF", file));
  VB_EXPECT_OK(open_gguf(folder / "d.GGUF"));
  VB_EXPECT_OK(read_directions(folder / "d.GGUF"));
  VB_ASSERT_OK(write_directions(folder / "d.SafeTensors", file));
  VB_EXPECT_OK(open_safetensors(folder / "d.SafeTensors"));
  for (const char* name : {"d.bin", "d", "gguf"}) {
    const auto refused = write_directions(folder / name, file);
    ASSERT_FALSE(refused) << name;
    EXPECT_EQ(refused.error().code, ErrorCode::invalid_input);
    EXPECT_FALSE(std::filesystem::exists(folder / name));
  }
}

}  // namespace
}  // namespace vauban
