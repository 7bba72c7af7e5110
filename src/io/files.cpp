#include "agw/io/files.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agw/base/descriptor.h"

namespace agw {
Result<const Secret*, FileError> WatchedFile::read() {
  struct stat info{};
  if (::stat(path_.c_str(), &info) != 0) return fail(errno == ENOENT ? FileError::absent : FileError::unreadable);
  const std::array<std::int64_t, 4> now{info.st_mtim.tv_sec, info.st_mtim.tv_nsec, info.st_size,
                                        static_cast<std::int64_t>(info.st_ino)};
  if (std::equal(now.begin(), now.end(), std::begin(seen_))) return &content_;
  // A fifo or a device could block the worker.
  if (!S_ISREG(info.st_mode)) return fail(FileError::unreadable);
  if (static_cast<std::size_t>(info.st_size) > max_bytes_) return fail(FileError::too_large);
  const Descriptor file(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (file.get() < 0) return fail(FileError::unreadable);
  std::string bytes(max_bytes_ + 1, '\0');
  std::size_t size = 0;
  while (size < bytes.size()) {
    const ssize_t got = ::read(file.get(), bytes.data() + size, bytes.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      wipe(bytes.data(), bytes.size());
      return fail(FileError::unreadable);
    }
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  const bool too_large = size > max_bytes_;
  std::string content(bytes, 0, too_large ? 0 : size);
  wipe(bytes.data(), bytes.size());
  if (too_large) return fail(FileError::too_large);
  content_ = Secret(std::move(content));
  std::copy(now.begin(), now.end(), std::begin(seen_));
  ++generation_;
  return &content_;
}

}  // namespace agw
