#include "status_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace agw::nginx {
namespace {

using status::page_bytes;
constexpr std::size_t most_pages = 1024;

[[noreturn]] void fail_with(const std::string& what, int error) {
  throw std::runtime_error(what + ": " + std::strerror(error));
}

struct flock lock_of(short type, std::size_t page) noexcept {
  struct flock lock{};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(page * page_bytes);
  lock.l_len = static_cast<off_t>(page_bytes);
  return lock;
}

/// Whose page it was, if its owner died there.
bool died_here(status::Page page, const status::Process& process) noexcept {
  if (page.state() != status::State::running) return false;
  const auto left = page.left();
  return left && left->kind == process.kind && left->number == process.number && left->master == process.master;
}

}  // namespace

std::shared_ptr<StatusFile> StatusFile::open(const std::string& directory, const std::shared_ptr<StatusFile>& before) {
  const std::string path = directory + "/status.pages";
  if (before && before->path_ == path && before->is_there()) return before;
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
  if (fd < 0) fail_with(path, errno);
  std::shared_ptr<StatusFile> out(new StatusFile(fd, path));
  out->map();
  return out;
}

StatusFile::~StatusFile() {
  if (memory_ != nullptr) ::munmap(memory_, most_pages * page_bytes);
  ::close(fd_);
}

bool StatusFile::is_there() const noexcept {
  struct stat ours{};
  struct stat named{};
  return ::fstat(fd_, &ours) == 0 && ::stat(path_.c_str(), &named) == 0 && ours.st_dev == named.st_dev &&
         ours.st_ino == named.st_ino && static_cast<std::size_t>(named.st_size) >= pages_ * page_bytes;
}

void StatusFile::map() {
  struct stat info{};
  if (::fstat(fd_, &info) != 0) fail_with(path_, errno);
  pages_ = std::min(static_cast<std::size_t>(info.st_size) / page_bytes, most_pages);
  mine_.resize(most_pages);
  void* const memory = ::mmap(nullptr, most_pages * page_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
  if (memory == MAP_FAILED) fail_with(path_ + " can't be mapped", errno);
  memory_ = static_cast<std::byte*>(memory);
}

void StatusFile::reserve(std::size_t free_pages) {
  std::size_t free = 0;
  for (std::size_t i = 0; i < pages_; ++i) free += owned(i) ? 0 : 1;
  if (free >= free_pages) return;
  const std::size_t pages = pages_ + (free_pages - free);
  if (pages > most_pages) throw std::runtime_error(path_ + " has too many pages");
  const int error = ::posix_fallocate(fd_, 0, static_cast<off_t>(pages * page_bytes));
  if (error != 0) fail_with(path_ + " has no room", error);
  pages_ = pages;
}

void StatusFile::forget_dead() noexcept {
  for (std::size_t i = 0; i < pages_; ++i)
    if (!owned(i)) page(i).end();
}

status::Page StatusFile::page(std::size_t index) noexcept {
  return status::Page(std::span<std::byte, page_bytes>(memory_ + index * page_bytes, page_bytes));
}

bool StatusFile::take(std::size_t index) noexcept {
  auto lock = lock_of(F_WRLCK, index);
  if (mine_[index] || ::fcntl(fd_, F_SETLK, &lock) != 0) return false;
  mine_[index] = true;
  return true;
}

void StatusFile::release(std::size_t index) noexcept {
  mine_[index] = false;
  auto lock = lock_of(F_UNLCK, index);
  static_cast<void>(::fcntl(fd_, F_SETLK, &lock));
}

bool StatusFile::owned(std::size_t index) const noexcept {
  if (mine_[index]) return true;
  auto lock = lock_of(F_WRLCK, index);
  // What can't be asked is taken for alive: nothing of a living process's is ever touched.
  return ::fcntl(fd_, F_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

StatusFile::Claim::Claim(std::shared_ptr<StatusFile> file, status::Process& process) noexcept : file_(std::move(file)) {
  if (!file_) return;
  // The page of a predecessor that died; one where nobody is missed; any.
  const auto fits = [&](std::size_t i, int round) {
    status::Page page = file_->page(i);
    if (round == 0) return died_here(page, process);
    return round == 2 || page.state() == status::State::ended;
  };
  for (int round = 0; round < 3; ++round)
    for (std::size_t i = 0; i < file_->pages_; ++i) {
      if (!fits(i, round) || !file_->take(i)) continue;
      index_ = i;
      page_.emplace(file_->page(i));
      page_->begin(process);
      return;
    }
}

StatusFile::Claim::~Claim() {
  if (!page_) return;
  page_->end();
  file_->release(index_);
}

}  // namespace agw::nginx
