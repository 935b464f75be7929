// The file of a module is judged before the loader of the system maps it, which would end the process.
#include "backends/module_file.h"

#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <iterator>
#include <sys/stat.h>

#include "base/files.h"
#include "support/test_data.h"

#ifdef __ELF__

namespace vauban {
namespace {

using ::testing::HasSubstr;

/// A shared object of this machine, small and always there: the C++ library, as the loader has it.
std::string shared_object() {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    const std::size_t path = line.find('/');
    if (path != std::string::npos && line.find("libgcc_s.so") != std::string::npos) return line.substr(path);
  }
  return {};
}

class ModuleFile : public testing::Test {
 protected:
  void SetUp() override {
    const std::string path = shared_object();
    if (path.empty()) GTEST_SKIP() << "this program maps no libgcc_s.so to make bad modules from";
    bytes_ = read_file(path).value();
  }

  Error refused(const std::string& bytes) {
    std::ofstream(file_, std::ios::binary | std::ios::trunc) << bytes;
    const auto checked = check_module_file(file_);
    EXPECT_FALSE(checked) << "accepted " << bytes.size() << " bytes";
    return checked ? Error{} : checked.error();
  }

  test::TempDir folder_;
  std::filesystem::path file_ = folder_ / "module.so";
  std::string bytes_;
};

TEST_F(ModuleFile, TakesAWholeOne) {
  std::ofstream(file_, std::ios::binary) << bytes_;
  VB_EXPECT_OK(check_module_file(file_));
}

TEST_F(ModuleFile, RefusesEveryCut) {
  const std::size_t size = bytes_.size();
  for (const std::size_t kept : {size - 1, size - 64, size / 2, std::size_t{4096}, std::size_t{100}, std::size_t{63}, std::size_t{17}}) {
    const Error error = refused(bytes_.substr(0, kept));
    EXPECT_EQ(error.code, ErrorCode::corrupt) << kept;
    EXPECT_THAT(error.message, HasSubstr("cut short")) << kept;
  }
  EXPECT_EQ(refused("").code, ErrorCode::unsupported);
}

TEST_F(ModuleFile, NamesTheOtherMachineAndTheOtherKindOfFile) {
  std::string other = bytes_;
  other[18] = static_cast<char>(243), other[19] = 0;  // e_machine: EM_RISCV
  EXPECT_THAT(refused(other).message, HasSubstr("riscv"));
  other = bytes_;
  other[4] = 1;  // EI_CLASS: 32 bits
  EXPECT_THAT(refused(other).message, HasSubstr("32 bits"));
  other = bytes_;
  other[16] = 1;  // e_type: an object file
  EXPECT_THAT(refused(other).message, HasSubstr("no shared object"));
  EXPECT_THAT(refused("not ELF at all, but long enough to be one").message, HasSubstr("something else"));
}

TEST_F(ModuleFile, RefusesOffsetsThatOverflow) {
  std::string other = bytes_;
  for (std::size_t i = 0; i < 8; ++i) other[32 + i] = static_cast<char>(0xff);  // e_phoff
  EXPECT_EQ(refused(other).code, ErrorCode::corrupt);
}

TEST_F(ModuleFile, RefusesAPipeWithoutWaiting) {
  ASSERT_EQ(::mkfifo(file_.c_str(), 0600), 0);
  const auto checked = check_module_file(file_);
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code, ErrorCode::invalid_input);
}

}  // namespace
}  // namespace vauban

#endif
