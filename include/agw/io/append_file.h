// A log file that takes whole lines.
#pragma once

#include <string_view>

namespace agw {

class AppendFile {
 public:
  virtual ~AppendFile() = default;
  /// Appends whole lines in one write. False (and the file is unhealthy) if not all of it could
  /// be written; nothing half-written is left to merge with a later line.
  virtual bool append(std::string_view lines) noexcept = 0;
};

}  // namespace agw
