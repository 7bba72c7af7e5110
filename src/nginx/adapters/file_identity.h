// What a file looked like, to tell later whether it has been edited since.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include <sys/stat.h>

namespace agw::nginx {

/// Device, inode, size, times of content and of status; one -1 for a file that isn't there.
using FileIdentity = std::array<std::int64_t, 7>;

/// One stat, symbolic links followed.
[[nodiscard]] inline FileIdentity file_identity(const std::string& path) noexcept {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return {-1};
  return {static_cast<std::int64_t>(info.st_dev),
          static_cast<std::int64_t>(info.st_ino),
          static_cast<std::int64_t>(info.st_size),
          info.st_mtim.tv_sec,
          info.st_mtim.tv_nsec,
          info.st_ctim.tv_sec,
          info.st_ctim.tv_nsec};
}

}  // namespace agw::nginx
