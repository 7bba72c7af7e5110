// Small local files: secrets, keys, key sets.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "agw/base/result.h"
#include "agw/base/secret.h"

namespace agw {

enum class FileError { absent, unreadable, too_large };

/// A small file whose content may be replaced while the process runs. read() looks at its
/// modification time, size and inode (one stat) and reads again only when they changed. Meant for
/// what a miss needs, not for the warm path.
class WatchedFile {
 public:
  /// `max_bytes` bounds what is ever read.
  WatchedFile(std::string path, std::size_t max_bytes) : path_(std::move(path)), max_bytes_(max_bytes) {}
  /// The content. Valid until the next read().
  [[nodiscard]] Result<const Secret*, FileError> read();
  /// Grows whenever read() found another content.
  [[nodiscard]] std::uint64_t generation() const noexcept { return generation_; }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  std::string path_;
  std::size_t max_bytes_;
  std::uint64_t generation_ = 0;
  std::int64_t seen_[4] = {-1, -1, -1, -1};  // mtime s, mtime ns, size, inode
  Secret content_;
};

}  // namespace agw
