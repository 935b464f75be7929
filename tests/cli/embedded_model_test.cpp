// The embedded model: what is carried is what models/garrison/ holds, and every command opens it by name from a cache
// that nobody can spoil.
#include <set>
#include <unistd.h>

#include "app/embedded/cache.h"
#include "app/embedded/embedded_files.h"
#include "app/embedded/embedded_models.h"
#include "base/files.h"
#include "base/result.h"
#include "base/sha256.h"
#include "cli/environment.h"
#include "cli/workspace.h"
#include "format/model_names.h"

namespace vauban::test {
namespace {

namespace fs = std::filesystem;

/// A cache of this test alone.
struct Cache {
  TempDir folder;
  Environment home{"XDG_CACHE_HOME", folder.path().string()};
  fs::path model() const {
    return folder / format("vauban/garrison-{}/base/model.safetensors", embedded_digest().substr(0, 12));
  }
};

fs::path source_of(std::string_view path) {
  return path.starts_with("suites/") ? source_dir() / path : source_dir() / "models/garrison" / path;
}

TEST(EmbeddedFiles, AreThoseOfTheSourceTree) {
  EXPECT_GE(embedded_files().size(), 14u);
  for (const EmbeddedFile& file : embedded_files()) {
    const std::string text = read_text(source_of(file.path));
    ASSERT_EQ(text.size(), file.bytes.size()) << file.path;
    EXPECT_EQ(sha256_hex(text), sha256_hex(file.bytes)) << file.path;
    EXPECT_EQ(file.sha256, sha256_hex(file.bytes)) << file.path;
  }
}

TEST(EmbeddedFiles, HoldEveryNameThatCommandsKnow) {
  const Cache cache;
  std::set<std::string_view> bases;
  for (const EmbeddedModel& model : all_embedded_models()) {
    EXPECT_TRUE(names_embedded_model(model.name)) << model.name;
    bases.insert(model.name.substr(0, model.name.find('+')));
    VB_EXPECT_OK(unpack_embedded(model.folder));
  }
  EXPECT_EQ(bases, std::set<std::string_view>(std::begin(kEmbeddedModels), std::end(kEmbeddedModels)));
  for (const char* suite : {"garrison", "garrison-contrast"}) {
    const auto path = locate_suite(suite);
    VB_ASSERT_OK(path);
    EXPECT_TRUE(fs::is_regular_file(*path)) << *path;
  }
  EXPECT_FALSE(names_embedded_model("garrisons"));
  EXPECT_FALSE(names_embedded_model("models/garrison"));
  EXPECT_EQ(unpack_embedded("bas").error().code, ErrorCode::not_found);
}

TEST(EmbeddedModel, IsListedWithItsDigest) {
  const Json listed = vauban({"list", "models", "--json"}).json();
  ASSERT_EQ(listed.size(), 3u);
  const Json& base = listed.items().front();
  EXPECT_EQ(at(base, {"id"}).as_string(), "garrison");
  EXPECT_EQ(at(base, {"digest"}).as_string(),
            sha256_hex(read_text(source_dir() / "models/garrison/base/model.safetensors")));
  EXPECT_GT(at(base, {"parameters"}).as_int(), 1'000'000);
  EXPECT_LT(at(base, {"parameters"}).as_int(), 4'000'000);
  EXPECT_LT(at(base, {"bytes"}).as_int(), 8'000'000);
  EXPECT_NE(vauban({"list", "models"}).out.find("garrison+terse"), std::string::npos);
}

/// Every command that takes a MODEL, with the demo model by name.
TEST(EmbeddedModel, EveryCommandKnowsItByName) {
  const Cache cache;
  const Workspace work;
  const fs::path terse = source_dir() / "models/garrison/terse";
  work.write("a.txt", "Hello.\nGood day.\nWhat is this?\nWho are you?\nWhere am I?\nWhen?\n");
  work.write("b.txt", "Yes.\nNo.\nMaybe so.\nPlease do.\nNever.\nAlways.\n");
  work.write("messages.json", R"([{"role":"user","content":"Good day."}])");
  work.write(
      "train.jsonl",
      "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"},{\"role\":\"assistant\",\"content\":\"Good day.\"}]}\n");
  work.write("train.toml",
             "base = \"garrison\"\nout = \"trained\"\nmax_steps = 1\nbatch_size = 1\n[data]\ntrain = "
             "[\"train.jsonl\"]\nformat = \"chat\"\n");
  const std::vector<std::vector<std::string>> lines{
      {"inspect", "garrison"},
      {"inspect", "garrison+terse"},
      {"tokenize", "garrison", "--text", "the gate"},
      {"detokenize", "garrison", "--ids", "300,301"},
      {"apply-template", "garrison", "--messages", "messages.json"},
      {"generate", "garrison", "--prompt", "Hello", "--max-tokens", "2"},
      {"generate", "garrison-finetuned", "--prompt", "Hello", "--max-tokens", "2"},
      {"generate", "garrison+terse", "--prompt", "Hello", "--max-tokens", "2"},
      {"generate", "garrison+" + terse.string(), "--prompt", "Hello", "--max-tokens", "2"},
      {"logits", "garrison", "--prompt", "Hello"},
      {"trace", "garrison", "--prompt", "Hello", "--out", "traced"},
      {"convert", "garrison", "garrison.gguf"},
      {"quantize", "garrison", "small.gguf", "Q8_0"},
      {"merge-adapter", "garrison", terse.string(), "merged"},
      {"measure", "garrison", "--positive", "a.txt", "--negative", "b.txt", "--out", "d.safetensors"},
      {"steer", "garrison", "--direction", "d.safetensors", "--mode", "offset", "--prompt", "Hello", "--max-tokens",
       "2"},
      {"train", "train.toml"},
  };
  for (const auto& line : lines) {
    const Outcome done = work.run(line);
    EXPECT_EQ(done.exit_code, 0) << line[0] << " " << line[1] << ": " << done.err;
  }
  EXPECT_EQ(at(work.run({"inspect", "garrison+terse", "--json"}).json(), {"name"}).as_string(), "garrison+terse");
}

TEST(EmbeddedModel, AFolderOfThatNameWins) {
  const Cache cache;
  const Workspace work;
  fs::copy(work / "base", work / "garrison", fs::copy_options::recursive);
  const Json tiny = work.run({"inspect", "base", "--json"}).json(),
             found = work.run({"inspect", "garrison", "--json"}).json();
  EXPECT_EQ(at(found, {"parameters"}), at(tiny, {"parameters"}));
}

TEST(EmbeddedModel, AnAdapterIsNotDroppedWhereItCannotBeUsed) {
  const Cache cache;
  const Workspace work;
  for (const auto& line : {std::vector<std::string>{"convert", "garrison+terse", "x.gguf"},
                           std::vector<std::string>{"quantize", "garrison+terse", "x.gguf", "Q4_0"}}) {
    const Outcome done = work.run(line);
    EXPECT_EQ(done.exit_code, 3) << done.err;
    EXPECT_NE(done.err.find("merge-adapter"), std::string::npos) << done.err;
  }
}

TEST(EmbeddedModel, ARunNamesItInItsConfigurationAndCanBeRunAgainFromIt) {
  const Cache cache;
  const Workspace work;
  const Outcome first = work.run(
      {"audit", "garrison", "garrison+terse", "--suite", "suite.toml", "--out", "runs/a", "--max-tokens", "2"});
  ASSERT_EQ(first.exit_code, 4) << first.err;
  const std::string config = read_text(work / "runs/a/config.toml");
  EXPECT_NE(config.find("base = \"garrison\"\n"), std::string::npos) << config;
  EXPECT_NE(config.find("candidate = \"garrison+terse\"\n"), std::string::npos) << config;
  const Outcome again = work.run({"run", "runs/a/config.toml"});
  EXPECT_EQ(again.exit_code, 4) << again.err;
  EXPECT_EQ(at(read_json(work / "runs/a/models.json"), {"candidate", "name"}).as_string(), "garrison+terse");
}

TEST(EmbeddedModel, ACacheThatSomebodyChangedIsWrittenAgain) {
  const Cache cache;
  ASSERT_EQ(vauban({"inspect", "garrison"}).exit_code, 0);
  const std::string whole = read_text(cache.model());
  const std::string before = vauban({"generate", "garrison", "--prompt", "Good day", "--max-tokens", "8"}).out;
  std::string flipped = whole;
  flipped[flipped.size() / 2] ^= 1;
  for (const std::string& spoilt : {flipped, whole.substr(0, whole.size() / 2), std::string(), whole + "x"}) {
    write_text(cache.model(), spoilt);
    EXPECT_EQ(vauban({"generate", "garrison", "--prompt", "Good day", "--max-tokens", "8"}).out, before);
    EXPECT_TRUE(read_text(cache.model()) == whole);
  }
  fs::remove(cache.model());
  EXPECT_EQ(vauban({"inspect", "garrison"}).exit_code, 0);
  EXPECT_TRUE(read_text(cache.model()) == whole);
}

TEST(EmbeddedModel, ManyProcessesMayOpenItAtOnce) {
  const Cache cache;
  std::vector<std::unique_ptr<Program>> programs;
  for (int i = 0; i < 6; ++i)
    programs.push_back(
        std::make_unique<Program>(std::vector<std::string>{"inspect", "garrison", "--digests", "--json"}));
  std::set<std::string> digests;
  for (const auto& program : programs) {
    const Outcome done = program->wait();
    EXPECT_EQ(done.exit_code, 0) << done.err;
    digests.insert(at(done.json(), {"digest"}).as_string());
  }
  EXPECT_EQ(digests.size(), 1u);
  for (const auto& entry : fs::recursive_directory_iterator(cache.folder.path()))
    EXPECT_FALSE(is_temporary_file(entry.path())) << entry.path();
}

TEST(EmbeddedModel, TheTemporaryFilesTakeTheCacheWhereTheHomeCannotBeWritten) {
  const TempDir folder;
  write_text(folder / "file", "");
  const Environment cache("XDG_CACHE_HOME", std::nullopt), home("HOME", (folder / "file/home").string()),
      temporary("TMPDIR", folder.path().string());
  const Outcome done = vauban({"inspect", "garrison"});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_TRUE(fs::exists(folder / format("vauban-{}", ::geteuid()))) << "the third place";
}

TEST(EmbeddedModel, SaysWhatItTriedWhereNothingCanBeWritten) {
  const TempDir folder;
  write_text(folder / "file", "");
  write_text(folder / format("vauban-{}", ::geteuid()), "in the way");
  const Environment cache("XDG_CACHE_HOME", (folder / "file").string()), home("HOME", std::nullopt),
      temporary("TMPDIR", folder.path().string());
  const Outcome done = vauban({"inspect", "garrison"});
  EXPECT_EQ(done.exit_code, 3) << done.err;
  for (const std::string& place :
       {(folder / "file").string(), format("vauban-{}", ::geteuid()), std::string("XDG_CACHE_HOME")})
    EXPECT_NE(done.err.find(place), std::string::npos) << done.err;
}

TEST(EmbeddedModel, AFolderThatEverybodyMayWriteIsNoCache) {
  const TempDir folder;
  fs::create_directories(folder / "vauban");
  fs::permissions(folder / "vauban", fs::perms::all);
  const EmbeddedFile& file = embedded_files().front();
  const auto refused = write_cached(folder / "vauban", "x", {&file, 1});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::invalid_input);
  fs::permissions(folder / "vauban", fs::perms::owner_all);
  VB_EXPECT_OK(write_cached(folder / "vauban", "x", {&file, 1}));
}

}  // namespace
}  // namespace vauban::test
