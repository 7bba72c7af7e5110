// The host's error log.
#pragma once

#include <string_view>

namespace agw {

enum class LogLevel { debug, info, notice, warn, error, alert };

class Log {
 public:
  virtual ~Log() = default;
  /// One line. The host replaces control characters; the caller never passes a secret.
  virtual void write(LogLevel level, std::string_view line) noexcept = 0;
};

}  // namespace agw
