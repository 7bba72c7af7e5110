// Time, log and randomness as nginx and OpenSSL give them.
#pragma once

#include <array>
#include <cstddef>

#include "agw/io/clock.h"
#include "agw/io/log.h"
#include "agw/io/random.h"

#include "../nginx.h"

namespace agw::nginx {

/// The loop's cached time: no system call, as old as the turn of the loop.
class NginxClock final : public Clock {
 public:
  [[nodiscard]] WallTime now() const noexcept override;
  [[nodiscard]] SteadyTime steady() const noexcept override;
  [[nodiscard]] SteadyTime moment() const noexcept override;
};

/// nginx's error log; control characters become '?'.
class NginxLog final : public Log {
 public:
  explicit NginxLog(ngx_log_t* log) noexcept : log_(log) {}
  void write(LogLevel level, std::string_view line) noexcept override;

 private:
  ngx_log_t* log_;
};

/// OpenSSL's generator, asked for many small draws at once: one draw of 16 bytes costs it 2 µs.
/// Made after the fork, so that no two workers share a stock.
class NginxRandom final : public Random {
 public:
  void fill(unsigned char* out, std::size_t size) override;

 private:
  std::array<unsigned char, 4096> stock_{};
  std::size_t left_ = 0;
};

}  // namespace agw::nginx
