#include "open_file.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

namespace agw::nginx {
namespace {

/// Whoever reads a pipe may be slow this long; then the rest is tried again later.
constexpr int patience_ms = 500;
/// What a pipe that can be written takes at once without blocking (POSIX: PIPE_BUF).
constexpr std::size_t pipe_piece = 4096;

struct flock writers_lock(short type) noexcept {
  struct flock lock{};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = off_t{1} << 62U;
  lock.l_len = 1;
  return lock;
}

std::uint64_t identity_of(const struct stat& info) noexcept {
  return static_cast<std::uint64_t>(info.st_ino) * 0x9E3779B97F4A7C15 + static_cast<std::uint64_t>(info.st_dev);
}

bool stopping() noexcept { return ngx_quit != 0 || ngx_terminate != 0; }

}  // namespace

ngx_open_file_t* OpenFile::declare(ngx_conf_t* cf, ngx_str_t name) noexcept {
  ngx_open_file_t* file = ngx_conf_open_file(cf->cycle, &name);
  if (file == nullptr) return nullptr;
  if (file->flush != nullptr && file->flush != flush) {
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" is written by another log already", &name);
    return nullptr;
  }
  file->flush = flush;
  return file;
}

OpenFile::OpenFile(ngx_open_file_t& file, ngx_log_t* log) noexcept : file_(file), log_(log) { file_.data = this; }

OpenFile::~OpenFile() { file_.data = nullptr; }

void OpenFile::flush(ngx_open_file_t* file, ngx_log_t* log) noexcept {
  // The other processes reopen too, and have nothing to write.
  auto* self = static_cast<OpenFile*>(file->data);
  if (self == nullptr) return;
  try {
    if (self->before_reopen_) self->before_reopen_();
  } catch (...) {
    ngx_log_error(NGX_LOG_ALERT, log, 0, "agent gateway: lines of \"%V\" wait until it is reopened", &file->name);
  }
}

std::optional<LogFile::State> OpenFile::begin() noexcept {
  if (private_fd_ != file_.fd) {
    // nginx makes logs readable by everybody; who did what is not for everybody. It fails where the
    // master's user owns the file, which init_module has then seen to.
    static_cast<void>(::fchmod(file_.fd, S_IRUSR | S_IWUSR));
    private_fd_ = file_.fd;
  }
  struct stat info{};
  if (::fstat(file_.fd, &info) != 0) {
    failed("fstat() of");
    return std::nullopt;
  }
  regular_ = S_ISREG(info.st_mode);
  if (regular_) {
    // While two masters are there (USR2) both write.
    auto lock = writers_lock(F_WRLCK);
    if (::fcntl(file_.fd, F_SETLK, &lock) != 0 && (errno == EACCES || errno == EAGAIN)) return std::nullopt;
    if (::fstat(file_.fd, &info) != 0) return std::nullopt;
  }
  State out;
  out.identity = identity_of(info);
  out.size = static_cast<std::uint64_t>(info.st_size);
  out.regular = regular_;
  return out;
}

void OpenFile::end() noexcept {
  if (!regular_) return;
  auto lock = writers_lock(F_UNLCK);
  static_cast<void>(::fcntl(file_.fd, F_SETLK, &lock));
}

std::size_t OpenFile::append(std::string_view bytes) noexcept {
  std::size_t written = 0;
  while (written < bytes.size()) {
    std::size_t size = bytes.size() - written;
    if (!regular_) {
      struct pollfd ready{file_.fd, POLLOUT, 0};
      if (::poll(&ready, 1, patience_ms) <= 0) {
        ngx_set_errno(EAGAIN);
        break;
      }
      size = std::min(size, pipe_piece);
    }
    const ssize_t got = ::write(file_.fd, bytes.data() + written, size);
    if (got < 0 && errno == EINTR && !stopping()) continue;
    if (got <= 0) break;
    written += static_cast<std::size_t>(got);
  }
  if (written == bytes.size()) {
    failing_ = false;
  } else {
    failed("write to");
  }
  return written;
}

int OpenFile::reopen(std::uint64_t identity, int flags) const {
  const auto try_open = [&](const std::string& path) {
    const int fd = ::open(path.c_str(), flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat info{};
    if (fd < 0 || (::fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && identity_of(info) == identity)) return fd;
    ::close(fd);
    return -1;
  };
  if (const int fd = try_open("/proc/self/fd/" + std::to_string(file_.fd)); fd >= 0) return fd;
  const std::filesystem::path name(reinterpret_cast<const char*>(file_.name.data));
  if (const int fd = try_open(name); fd >= 0) return fd;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(name.parent_path(), ignored)) {
    struct stat info{};
    if (::lstat(entry.path().c_str(), &info) != 0 || !S_ISREG(info.st_mode) || identity_of(info) != identity) continue;
    if (const int fd = try_open(entry.path()); fd >= 0) return fd;
  }
  return -1;
}

std::string OpenFile::read(std::uint64_t identity, std::uint64_t offset, std::size_t size) {
  const int fd = reopen(identity, O_RDONLY);
  if (fd < 0) return {};
  std::string out(size, '\0');
  const ssize_t got = ::pread(fd, out.data(), size, static_cast<off_t>(offset));
  out.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  ::close(fd);
  // Closing any descriptor of a file ends this process's record locks on it.
  auto lock = writers_lock(F_WRLCK);
  static_cast<void>(::fcntl(file_.fd, F_SETLK, &lock));
  return out;
}

bool OpenFile::cut(std::uint64_t identity, std::uint64_t size) noexcept try {
  struct stat info{};
  if (::fstat(file_.fd, &info) == 0 && identity_of(info) == identity)
    return regular_ && ::ftruncate(file_.fd, static_cast<off_t>(size)) == 0;
  const int fd = reopen(identity, O_WRONLY);
  if (fd < 0) return false;
  const bool done = ::ftruncate(fd, static_cast<off_t>(size)) == 0;
  ::close(fd);
  return done;
} catch (...) {
  return false;
}

bool OpenFile::sync() noexcept {
  if (!regular_ || ::fdatasync(file_.fd) == 0) return true;
  failed("fdatasync() of");
  return false;
}

void OpenFile::failed(const char* what) noexcept {
  const ngx_err_t error = ngx_errno;
  if (std::exchange(failing_, true)) return;
  ngx_log_error(NGX_LOG_CRIT, log_, error, "agent gateway: %s \"%V\" failed", what, &file_.name);
}

}  // namespace agw::nginx
