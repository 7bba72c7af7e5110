#include "journal_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace agw::nginx {
namespace {

constexpr std::size_t front_bytes = 64U * 1024;
constexpr std::size_t head_bytes = 4096;
constexpr std::size_t most_segments = 1024;
constexpr unsigned most_files = 16;
constexpr std::uint64_t layout = 0x6177676a66696c01;  // changes whenever Head does
// Record locks lie behind everything that the file can hold.
constexpr off_t control_lock = off_t{1} << 61U;

[[noreturn]] void fail_with(const std::string& what, int error) {
  throw std::runtime_error(what + ": " + std::strerror(error));
}

struct flock record(short type, off_t at) noexcept {
  struct flock lock{};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = control_lock + at;
  lock.l_len = 1;
  return lock;
}

bool set_lock(int fd, short type, off_t at) noexcept {
  auto lock = record(type, at);
  return ::fcntl(fd, F_SETLK, &lock) == 0;
}

off_t lock_of(std::size_t segment) noexcept { return static_cast<off_t>(segment) + 1; }

}  // namespace

struct JournalFile::Head {
  std::uint64_t mark;
  std::uint64_t segment_bytes;
  std::uint64_t segments;
};

class JournalFile::Mapping {
 public:
  Mapping(int fd, std::size_t offset, std::size_t size)
      : memory_(::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, static_cast<off_t>(offset))),
        size_(size) {
    if (memory_ == MAP_FAILED) fail_with("the journal can't be mapped", errno);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() { ::munmap(memory_, size_); }
  [[nodiscard]] std::span<std::byte> bytes() noexcept { return {static_cast<std::byte*>(memory_), size_}; }
  [[nodiscard]] Head& head() noexcept { return *static_cast<Head*>(memory_); }

 private:
  void* memory_;
  std::size_t size_;
};

JournalFile::JournalFile(int fd, std::string path) noexcept : fd_(fd), path_(std::move(path)) {}

JournalFile::~JournalFile() {
  segments_.clear();
  front_.reset();
  ::close(fd_);
}

std::unique_ptr<JournalFile> JournalFile::lock(const std::string& path, bool make) {
  const int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | (make ? O_CREAT : 0);
  const int fd = ::open(path.c_str(), flags, S_IRUSR | S_IWUSR);
  if (fd < 0) {
    if (errno == ENOENT && !make) return nullptr;
    fail_with(path, errno);
  }
  std::unique_ptr<JournalFile> out(new JournalFile(fd, path));
  // Shared by all who inherit the descriptor: it is held until the last of them has ended.
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return out;
  if (errno == EWOULDBLOCK) return nullptr;
  fail_with(path + " can't be locked", errno);
}

JournalFile::Found JournalFile::open(const std::string& directory, std::size_t segment_bytes) {
  Found out;
  const auto path_of = [&](unsigned i) { return directory + "/audit-" + std::to_string(i) + ".journal"; };
  for (unsigned i = 0; i < most_files; ++i) {
    auto file = lock(path_of(i), false);
    if (!file) continue;
    file->adopt(0);
    const std::uint64_t size = file->front_->head().segment_bytes;
    const bool fits = size == segment_bytes || file->segments() == 0;
    if (fits && !out.own) {
      file->front_->head().segment_bytes = segment_bytes;
      out.own = std::move(file);
    } else {
      out.orphans.push_back(std::move(file));
    }
  }
  for (unsigned i = 0; i < most_files && !out.own; ++i) {
    struct stat info{};
    if (::stat(path_of(i).c_str(), &info) == 0) continue;
    out.own = lock(path_of(i), true);
    if (out.own) out.own->adopt(segment_bytes);
  }
  if (!out.own) throw std::runtime_error("other servers have every journal in " + directory);
  return out;
}

std::unique_ptr<JournalFile> JournalFile::anonymous(std::size_t segment_bytes) {
  const int fd = ::memfd_create("agent-audit", MFD_CLOEXEC);
  if (fd < 0) fail_with("the journal has no memory", errno);
  std::unique_ptr<JournalFile> out(new JournalFile(fd, {}));
  out->adopt(segment_bytes);
  return out;
}

void JournalFile::adopt(std::size_t segment_bytes) {
  struct stat info{};
  if (::fstat(fd_, &info) != 0) fail_with(path_, errno);
  const auto size = static_cast<std::uint64_t>(info.st_size);
  if (size < front_bytes) {
    const int error = ::posix_fallocate(fd_, 0, static_cast<off_t>(front_bytes));
    if (error != 0) fail_with("the journal has no room", error);
  }
  front_ = std::make_unique<Mapping>(fd_, 0, front_bytes);
  Head& head = front_->head();
  const bool known =
      head.mark == layout && head.segments <= most_segments &&
      (head.segments == 0 || (head.segment_bytes % head_bytes == 0 && head.segment_bytes <= size / head.segments &&
                              size >= front_bytes + head.segments * head.segment_bytes));
  if (!known) {
    std::memset(front_->bytes().data(), 0, front_bytes);
    head = {layout, segment_bytes, 0};
    return;
  }
  for (std::uint64_t i = 0; i < head.segments; ++i)
    segments_.push_back(std::make_unique<Mapping>(fd_, front_bytes + i * head.segment_bytes, head.segment_bytes));
  mine_.resize(segments_.size());
}

void JournalFile::add_segment() {
  Head& head = front_->head();
  const std::size_t index = segments_.size();
  if (index >= most_segments) throw std::runtime_error("the journal has too many segments");
  const std::size_t offset = front_bytes + index * head.segment_bytes;
  const int error = ::posix_fallocate(fd_, static_cast<off_t>(offset), static_cast<off_t>(head.segment_bytes));
  if (error != 0) fail_with("the journal has no room for " + std::to_string(head.segment_bytes >> 10U) + "k", error);
  auto mapping = std::make_unique<Mapping>(fd_, offset, head.segment_bytes);
  segments_.push_back(std::move(mapping));
  mine_.push_back(false);
  head.segments = segments_.size();
}

void JournalFile::reserve(std::size_t free_segments) {
  std::size_t free = 0;
  for (std::size_t i = 0; i < segments_.size(); ++i) free += owned(i) ? 0 : 1;
  for (; free < free_segments; ++free) add_segment();
}

void JournalFile::shrink() noexcept {
  front_->head().segments = 0;
  segments_.clear();
  mine_.clear();
  [[maybe_unused]] const int ignored = ::ftruncate(fd_, static_cast<off_t>(front_bytes));
}

void JournalFile::remove() noexcept { ::unlink(path_.c_str()); }

std::span<std::byte> JournalFile::control() noexcept { return front_->bytes().subspan(head_bytes); }

std::span<std::byte> JournalFile::segment(std::size_t index) noexcept { return segments_[index]->bytes(); }

bool JournalFile::take(std::size_t index) noexcept {
  if (mine_[index] || !set_lock(fd_, F_WRLCK, lock_of(index))) return false;
  mine_[index] = true;
  return true;
}

void JournalFile::release(std::size_t index) noexcept {
  mine_[index] = false;
  static_cast<void>(set_lock(fd_, F_UNLCK, lock_of(index)));
}

bool JournalFile::owned(std::size_t index) noexcept {
  if (mine_[index]) return true;
  auto lock = record(F_WRLCK, lock_of(index));
  // What can't be asked is taken for alive: nothing of a living worker's is ever touched.
  return ::fcntl(fd_, F_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

bool JournalFile::take_control() noexcept { return set_lock(fd_, F_WRLCK, 0); }

}  // namespace agw::nginx
