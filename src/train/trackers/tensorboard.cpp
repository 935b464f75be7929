#include "train/trackers/tensorboard.h"

#include <array>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

#include "train/trackers/crc32c.h"

namespace vauban {

namespace tensorboard {
namespace {

constexpr int kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5;  // protobuf wire types

template <class T>
void put_fixed(std::string& out, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i) out.push_back(static_cast<char>(value >> (8 * i) & 0xFF));
}

void put_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

void put_tag(std::string& out, int field, int wire_type) {
  put_varint(out, static_cast<std::uint64_t>(field << 3 | wire_type));
}

void put_bytes(std::string& out, int field, std::string_view bytes) {
  put_tag(out, field, kBytes);
  put_varint(out, bytes.size());
  out += bytes;
}

std::string event(double wall_time_s, std::int64_t step) {
  std::string out;
  put_tag(out, 1, kFixed64);
  put_fixed(out, std::bit_cast<std::uint64_t>(wall_time_s));
  if (step == 0) return out;  // proto3 leaves out zeros
  put_tag(out, 2, kVarint);
  put_varint(out, static_cast<std::uint64_t>(step));
  return out;
}

}  // namespace

std::string record(std::string_view data) {
  std::string out;
  put_fixed<std::uint64_t>(out, data.size());
  put_fixed(out, masked_crc32c(out));
  out += data;
  put_fixed(out, masked_crc32c(data));
  return out;
}

std::string version_event(double wall_time_s) {
  std::string out = event(wall_time_s, 0);
  put_bytes(out, 3, "brain.Event:2");
  return out;
}

std::string restart_event(double wall_time_s, std::int64_t step) {
  std::string log;
  put_tag(log, 1, kVarint);
  put_varint(log, 1);  // SessionStatus START
  std::string out = event(wall_time_s, step);
  put_bytes(out, 7, log);
  return out;
}

std::string scalar_event(const MetricRow& row) {
  std::string summary;
  for (const auto& [name, value] : row.metrics) {
    std::string entry;
    put_bytes(entry, 1, name);
    put_tag(entry, 2, kFixed32);
    put_fixed(entry, std::bit_cast<std::uint32_t>(static_cast<float>(value)));
    put_bytes(summary, 1, entry);
  }
  std::string out = event(row.wall_time_s, row.step);
  put_bytes(out, 5, summary);
  return out;
}

}  // namespace tensorboard

namespace {

constexpr int kNameAttempts = 1000;

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0 || name[0] == 0) return "localhost";
  return name.data();
}

double seconds(const Clock& clock) { return std::chrono::duration<double>(clock.utc().time_since_epoch()).count(); }

class TensorBoard final : public Tracker {
 public:
  TensorBoard(std::filesystem::path path, int fd, FileOps& ops) : path_(std::move(path)), fd_(fd), ops_(ops) {}
  ~TensorBoard() override { ops_.close(fd_); }
  TensorBoard(const TensorBoard&) = delete;
  TensorBoard& operator=(const TensorBoard&) = delete;

  Result<void> log(const MetricRow& row) override { return write(tensorboard::scalar_event(row)); }

  Result<void> sync() override {
    while (ops_.fsync(fd_) < 0)
      if (errno != EINTR) return fail("sync", errno);
    return ok();
  }

  Result<void> write(std::string_view event) {
    // After a torn record readers stop, so nothing may follow it.
    if (failed_) return io("an earlier write to '{}' failed", path_.string());
    const std::string bytes = tensorboard::record(event);
    for (std::string_view rest = bytes; !rest.empty();) {
      const long written = ops_.write(fd_, rest.data(), rest.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return fail("write", written < 0 ? errno : ENOSPC);
      rest.remove_prefix(static_cast<std::size_t>(written));
    }
    return ok();
  }

 private:
  Error fail(std::string_view action, int error_number) {
    failed_ = true;
    const ErrorCode code = error_number == ENOSPC ? ErrorCode::resource : ErrorCode::io;
    return make_error(code, "cannot {} '{}': {}", action, path_.string(), std::strerror(error_number));
  }

  std::filesystem::path path_;
  int fd_;
  FileOps& ops_;
  bool failed_ = false;
};

}  // namespace

Result<std::unique_ptr<Tracker>> make_tensorboard(const TrackerTarget& target) {
  const std::filesystem::path folder = target.folder / "tensorboard";
  std::error_code problem;
  std::filesystem::create_directories(folder, problem);
  if (problem) return io("cannot create '{}': {}", folder.string(), problem.message());
  const double now = seconds(target.clock);
  const std::string name = format("events.out.tfevents.{}.{}", static_cast<std::int64_t>(now), host_name());
  for (int attempt = 0; attempt < kNameAttempts; ++attempt) {
    const std::filesystem::path path = folder / (attempt == 0 ? name : format("{}.{}", name, attempt));
    const int fd = target.ops.open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 && (errno == EEXIST || errno == EINTR)) continue;
    if (fd < 0) return io("cannot create '{}': {}", path.string(), std::strerror(errno));
    auto tracker = std::make_unique<TensorBoard>(path, fd, target.ops);
    VB_CHECK(tracker->write(tensorboard::version_event(now)));
    if (target.resumed_step) VB_CHECK(tracker->write(tensorboard::restart_event(now, *target.resumed_step + 1)));
    return tracker;
  }
  return io("cannot create an event file in '{}': {} names are taken", folder.string(), kNameAttempts);
}

}  // namespace vauban
