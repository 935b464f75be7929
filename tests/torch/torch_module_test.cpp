/// The torch module as a user meets it: nothing is loaded before it is asked for, and what is not there is refused with
/// what to do: exit code 3, `unsupported`, in text and in JSON.
#include <gmock/gmock.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "backends/backends.h"
#include "backends/module_file.h"
#include "backends/torch_loader.h"
#include "base/result.h"
#include "cli/environment.h"
#include "cli/workspace.h"
#include "format/safetensors.h"
#include "support/test_context.h"

namespace vauban::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

/// vauban beside another libvauban_torch.so: that one is found first.
class BesideAModule {
 public:
  explicit BesideAModule(const fs::path& module) {
    std::error_code other_disk;
    fs::create_hard_link(VAUBAN_PROGRAM, program(), other_disk);
    if (other_disk) fs::copy_file(VAUBAN_PROGRAM, program());
    fs::copy_file(module, folder_ / "libvauban_torch.so");
  }
  Outcome run(const std::string& args) const {
    const std::string line = format("cd '{}' && '{}' {} > out 2> err", work_.path().string(), program().string(), args);
    const int status = std::system(line.c_str());
    return {.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
            .out = read_text(work_ / "out"),
            .err = read_text(work_ / "err")};
  }

 private:
  fs::path program() const { return folder_ / "vauban"; }
  TempDir folder_;
  Workspace work_;
};

void expect_refused(const Outcome& told, const Outcome& plain, const std::vector<std::string>& says) {
  EXPECT_EQ(told.exit_code, 3) << told.out << told.err;
  EXPECT_EQ(plain.exit_code, 3);
  EXPECT_EQ(plain.out, "");
  const Json answer = told.json();
  EXPECT_EQ(at(answer, {"error", "code"}).as_string(), "unsupported");
  EXPECT_NE(at(answer, {"error", "hint"}).as_string(), "") << "what to do next";
  for (const std::string& word : says) {
    EXPECT_THAT(told.out, HasSubstr(word));
    EXPECT_THAT(plain.err, HasSubstr(word));
  }
}

void expect_module_refused(const fs::path& module, const std::vector<std::string>& says) {
  const BesideAModule here(module);
  const std::string args = "generate base --prompt a --max-tokens 1 --backend torch";
  expect_refused(here.run(args + " --json"), here.run(args), says);
  EXPECT_EQ(here.run("generate base --prompt a --max-tokens 1").exit_code, 0) << "other backends do not need it";
}

TEST(TorchModule, ThatIsNoSharedObjectIsRefused) {
  const TempDir folder;
  write_text(folder / "text.so", "this is no module");
  expect_module_refused(folder / "text.so", {"libvauban_torch.so", "cannot load", "libtorch-dev"});
}

/// The loader of the system would map it and end the process with SIGBUS.
TEST(TorchModule, ThatWasCutShortIsRefusedAndDoctorSaysSo) {
  const TempDir folder;
  const std::string whole = read_text(VAUBAN_FAKE_NO_ENTRY);
  write_text(folder / "cut.so", whole.substr(0, whole.size() / 2));
  const BesideAModule here(folder / "cut.so");
  const Outcome used = here.run("generate base --prompt a --max-tokens 1 --backend torch --json");
  EXPECT_EQ(used.exit_code, 3) << used.err;
  EXPECT_EQ(at(used.json(), {"error", "code"}).as_string(), "corrupt");
  EXPECT_THAT(used.out, testing::AllOf(HasSubstr("libvauban_torch.so"), HasSubstr("cut short"), HasSubstr("vauban_torch again")));
  const Outcome doctor = here.run("doctor --json");
  EXPECT_EQ(doctor.exit_code, 0) << doctor.err;
  EXPECT_THAT(doctor.out, HasSubstr("cut short"));
}

/// The loader maps a module's libraries too, and a LibTorch that was copied in part would end the process there.
TEST(TorchModule, WhoseLibraryWasCutShortIsRefused) {
  const TempDir folder;
  const std::string whole = read_text(VAUBAN_FAKE_ABSENT), module = read_text(VAUBAN_FAKE_NEEDS_BESIDE);
  const fs::path library = folder / fs::path(VAUBAN_FAKE_ABSENT).filename().string();
  write_text(folder / "module.so", module);
  write_text(library, whole);
  VB_EXPECT_OK(check_module_file(folder / "module.so"));
  write_text(library, whole.substr(0, whole.size() / 2));
  const auto refused = check_module_file(folder / "module.so");
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::corrupt);
  EXPECT_THAT(refused.error().message, testing::AllOf(HasSubstr(library.string()), HasSubstr("cut short")));
  EXPECT_THAT(refused.error().hint, HasSubstr("LibTorch again"));
}

TEST(TorchModule, WithoutTheEntryIsRefused) {
  expect_module_refused(VAUBAN_FAKE_NO_ENTRY, {"libvauban_torch.so", "no module of vauban"});
}

TEST(TorchModule, FromOtherSourcesIsRefusedByItsDigest) {
  expect_module_refused(VAUBAN_FAKE_OTHER_SOURCES, {"0123456789abcdef", "other sources", "vauban_torch again"});
}

TEST(TorchModule, WhoseLibTorchIsNotThereNamesTheLibrary) {
  expect_module_refused(VAUBAN_FAKE_NEEDS_ABSENT, {"libvauban_fake_absent", "libtorch-dev", "--backend cpu"});
}

TEST(TorchModule, ThatIsNowhereSaysWhereItWasLookedFor) {
  const TestContext services(1, 1);
  const std::vector<fs::path> places{"/nowhere/libvauban_torch.so", "/nowhere/else/libvauban_torch.so"};
  const auto made = make_torch_ops(places, services.context_, {.device = "cpu"});
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error().code, ErrorCode::unsupported);
  EXPECT_THAT(made.error().message, testing::AllOf(HasSubstr("/nowhere/lib"), HasSubstr("/nowhere/else/lib")));
  EXPECT_THAT(made.error().hint, HasSubstr("libtorch-dev"));
}

TEST(TorchModule, IsLookedForBesideTheProgramThenInLibThenWhereItWasBuilt) {
  const std::vector<fs::path> places = torch_module_places();
  ASSERT_EQ(places.size(), 3u);
  for (const fs::path& place : places) EXPECT_EQ(place.filename(), "libvauban_torch.so");
  EXPECT_EQ(places[0].parent_path(), fs::read_symlink("/proc/self/exe").parent_path());
  EXPECT_THAT(places[1].string(), HasSubstr("lib/vauban"));
}

#ifdef VAUBAN_TEST_TORCH  // the module is built here

/// What the program mapped, as the system's loader says it.
std::string loaded_by(const std::vector<std::string>& args) {
  const TempDir folder;
  const Workspace work;
  const Environment debug("LD_DEBUG", "files,libs"), output("LD_DEBUG_OUTPUT", (folder / "files").string());
  EXPECT_EQ(work.run(args).exit_code, 0);
  std::string all;
  for (const auto& entry : fs::directory_iterator(folder.path())) all += read_text(entry.path());
  EXPECT_THAT(all, HasSubstr("libstdc++")) << "the loader said nothing";
  return all;
}

TEST(TorchModule, IsMappedOnlyByWhatAsksForIt) {
  for (const std::vector<std::string>& args :
       {std::vector<std::string>{"--help"}, {"list", "backends"}, {"generate", "base", "--prompt", "a", "--max-tokens", "1"}}) {
    const std::string files = loaded_by(args);
    EXPECT_EQ(files.find("libtorch"), std::string::npos) << args[0];
    EXPECT_EQ(files.find("libvauban_torch"), std::string::npos) << args[0];
  }
  const std::string asked = loaded_by({"generate", "base", "--prompt", "a", "--max-tokens", "1", "--backend", "torch"});
  EXPECT_THAT(asked, HasSubstr("libtorch")) << "or this test cannot fail";
}

TEST(TorchModule, LooksForItsCudaPartOnlyWhereADeviceIsAskedFor) {
  const std::vector<std::string> args{"generate", "base", "--prompt", "a", "--max-tokens", "1", "--backend", "torch"};
  const auto on = [&](const char* device) {
    std::vector<std::string> with = args;
    with.insert(with.end(), {"--device", device});
    return loaded_by(with);
  };
  EXPECT_EQ(loaded_by(args).find("libtorch_cuda"), std::string::npos);
  EXPECT_EQ(on("cpu").find("libtorch_cuda"), std::string::npos);
  EXPECT_THAT(on("cuda,cpu"), HasSubstr("libtorch_cuda")) << "or this test cannot fail";
}

Json torch_row(const Workspace& work) {
  const Json answer = work.run({"doctor", "--json"}).json();
  for (const Json& row : at(answer, {"backends"}).items())
    if (at(row, {"id"}).as_string() == "torch") return row;
  return {};
}

TEST(TorchModule, DoctorTellsItsVersionAndDevices) {
  const Workspace work;
  const Json row = torch_row(work);
  EXPECT_TRUE(at(row, {"works"}).as_bool()) << row.dump().value_or("");
  const std::string version = at(row, {"libtorch"}).as_string();
  EXPECT_TRUE(!version.empty() && std::isdigit(static_cast<unsigned char>(version[0])) && version.find('.') != std::string::npos) << version;
  ASSERT_GE(at(row, {"devices"}).size(), 1u);
  EXPECT_EQ(at(row, {"devices"}).items()[0].as_string(), "cpu");
}

TEST(TorchModule, DoctorTellsWhyItIsNotThere) {
  const BesideAModule here(VAUBAN_FAKE_NEEDS_ABSENT);
  const Outcome done = here.run("doctor --json");
  EXPECT_EQ(done.exit_code, 0);
  EXPECT_THAT(done.out, testing::AllOf(HasSubstr("libvauban_fake_absent"), HasSubstr("libtorch-dev")));
  EXPECT_THAT(done.out, testing::Not(HasSubstr("\"libtorch\"")));
}

std::vector<std::string> on_torch(std::vector<std::string> args, const std::vector<std::string>& more) {
  args.insert(args.end(), {"--backend", "torch"});
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

bool has_device(const Workspace& work, std::string_view prefix) {
  const Json row = torch_row(work);
  for (const Json& device : at(row, {"devices"}).items())
    if (device.as_string().starts_with(prefix)) return true;
  return false;
}

TEST(TorchDevice, ThatIsAbsentIsRefusedWithTheOnesThatAreThere) {
  const Workspace work;
  for (const std::string device : {"cuda", "cuda:99", "mps", "abacus", "cpu:1", "cuda:-1", "cuda:x"}) {
    if (device == "cuda" || device == "mps")
      if (has_device(work, device)) continue;
    SCOPED_TRACE(device);
    const auto run = [&](std::vector<std::string> more) {
      more.insert(more.end(), {"--device", device});
      return work.run(on_torch({"generate", "base", "--prompt", "a"}, more));
    };
    expect_refused(run({"--json"}), run({}), {"'" + device + "'", "present: cpu", "--device cuda,cpu"});
  }
}

TEST(TorchDevice, ThatCouldNotBeLookedForSaysWhatTheLoaderSaid) {
  const std::string files = loaded_by(on_torch({"generate", "base", "--prompt", "a", "--max-tokens", "1"}, {"--device", "cuda,cpu"}));
  for (std::size_t at = files.find("calling init: "); at != std::string::npos; at = files.find("calling init: ", at + 1))
    if (files.substr(at, files.find('\n', at) - at).find("libtorch_cuda") != std::string::npos)
      GTEST_SKIP() << "this LibTorch has a CUDA part";
  const Workspace work;
  const Outcome done = work.run(on_torch({"generate", "base", "--prompt", "a"}, {"--device", "cuda"}));
  EXPECT_EQ(done.exit_code, 3);
  EXPECT_THAT(done.err, HasSubstr("libtorch_cuda.so"));
}

TEST(TorchDevice, NamedAsAFallbackIsTakenAndTheTraceTellsBoth) {
  const Workspace work;
  if (has_device(work, "cuda")) GTEST_SKIP() << "this machine has the device that should be absent";
  const Outcome done = work.run(on_torch({"trace", "base", "--prompt", "a", "--out", "t", "--json"}, {"--device", "cuda,cpu"}));
  ASSERT_EQ(done.exit_code, 0) << done.err;
  const Json trace = read_json(work / "t/trace.json");
  EXPECT_EQ(at(trace, {"metadata", "requested_device"}).as_string(), "cuda,cpu");
  EXPECT_EQ(at(trace, {"device", "kind"}).as_string(), "cpu");
  EXPECT_EQ(at(trace, {"device", "label"}).as_string(), "cpu:0");
  EXPECT_EQ(at(trace, {"backend"}).as_string(), "torch");
}

TEST(TorchDevice, AListOfAbsentOnesTellsWhatEachAnswered) {
  const Workspace work;
  const auto run = [&](std::vector<std::string> more) {
    more.insert(more.end(), {"--device", "cuda:98,cuda:99"});
    return work.run(on_torch({"generate", "base", "--prompt", "a"}, more));
  };
  const Outcome told = run({"--json"});
  EXPECT_EQ(told.exit_code, 3);
  EXPECT_THAT(told.out, testing::AllOf(HasSubstr("'cuda:98'"), HasSubstr("'cuda:99'")));
}

TEST(TorchNumerics, ThatItLacksAreRefused) {
  const Workspace work;
  const auto run = [&](std::vector<std::string> more) {
    more.insert(more.end(), {"--numerics", "fast"});
    return work.run(on_torch({"generate", "base", "--prompt", "a"}, more));
  };
  expect_refused(run({"--json"}), run({}), {"'fast'", "exact, native"});
}

TEST(TorchNumerics, AndDevicesThatItDoesNotTrainOnAreRefused) {
  const TestContext services(1, 1);
  const auto narrow = make_training_backend("torch", services.context_, "cpu", "int8");
  ASSERT_FALSE(narrow.has_value());
  EXPECT_THAT(narrow.error().message, HasSubstr("'int8'"));
  const auto elsewhere = make_training_backend("torch", services.context_, "cuda", "f32");
  ASSERT_FALSE(elsewhere.has_value());
  EXPECT_EQ(elsewhere.error().code, ErrorCode::unsupported);
  EXPECT_THAT(elsewhere.error().message, HasSubstr("host memory"));
  VB_EXPECT_OK(make_training_backend("torch", services.context_, "cpu", "f32"));
}

std::vector<float> logits_of(const fs::path& path) {
  const auto file = open_safetensors(path);
  VB_EXPECT_OK(file);
  const TensorEntry* entry = file ? (*file)->find("logits") : nullptr;
  return entry ? decode_f32(entry->view).value_or(std::vector<float>{}) : std::vector<float>{};
}

TEST(TorchNumerics, NativeOfABf16ModelIsNearExactAndItsTraceSaysSo) {
  const Workspace work;
  ASSERT_EQ(work.run({"convert", "base", "narrow", "--dtype", "bf16", "--to", "hf"}).exit_code, 0);
  const auto logits = [&](const std::string& numerics) {
    const Outcome done = work.run(on_torch({"logits", "narrow", "--prompt", "Once upon a time", "--all", "--out", numerics + ".safetensors"},
                                           {"--numerics", numerics}));
    EXPECT_EQ(done.exit_code, 0) << done.err;
    return logits_of(work / (numerics + ".safetensors"));
  };
  const std::vector<float> exact = logits("exact"), native = logits("native");
  ASSERT_EQ(exact.size(), native.size());
  ASSERT_GT(exact.size(), 300u);
  double error = 0.0, scale = 0.0;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    error += (double{native[i]} - exact[i]) * (double{native[i]} - exact[i]);
    scale += double{exact[i]} * exact[i];
  }
  // bf16 rounds to 2^-9: squared 4e-6 for each of the some ten roundings between the embedding and the logits.
  EXPECT_LE(error / scale, 1e-3);
  EXPECT_GE(error / scale, 1e-8) << "nothing was rounded: this was not native";

  ASSERT_EQ(work.run(on_torch({"trace", "narrow", "--prompt", "a", "--out", "t"}, {"--numerics", "native"})).exit_code, 0);
  const Json trace = read_json(work / "t/trace.json");
  EXPECT_EQ(at(trace, {"numerics"}).as_string(), "native");
  EXPECT_FALSE(at(trace, {"metadata", "invariant_bits"}).as_bool());
}

#else

TEST(TorchModule, ThatIsNotBuiltIsRefusedWithWhatToInstall) {
  const Workspace work;
  const std::vector<std::string> args{"generate", "base", "--prompt", "a", "--backend", "torch"};
  std::vector<std::string> json = args;
  json.emplace_back("--json");
  expect_refused(work.run(json), work.run(args), {"libvauban_torch.so", "libtorch-dev"});
}

#endif

}  // namespace
}  // namespace vauban::test
