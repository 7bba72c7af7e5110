#include "basics.h"

#include <algorithm>
#include <array>
#include <climits>
#include <cstring>
#include <ctime>
#include <stdexcept>

#include <openssl/crypto.h>
#include <openssl/rand.h>

namespace agw::nginx {
namespace {

ngx_uint_t nginx_level(LogLevel level) noexcept {
  switch (level) {
    case LogLevel::debug: return NGX_LOG_DEBUG;
    case LogLevel::info: return NGX_LOG_INFO;
    case LogLevel::notice: return NGX_LOG_NOTICE;
    case LogLevel::warn: return NGX_LOG_WARN;
    case LogLevel::error: return NGX_LOG_ERR;
    case LogLevel::alert: return NGX_LOG_ALERT;
  }
  return NGX_LOG_ALERT;
}

}  // namespace

WallTime NginxClock::now() const noexcept {
  const volatile ngx_time_t* time = ngx_cached_time;
  return WallTime(Seconds(time->sec) + Milliseconds(time->msec));
}

SteadyTime NginxClock::steady() const noexcept {
  return SteadyTime(Milliseconds(static_cast<std::int64_t>(ngx_current_msec)));
}

SteadyTime NginxClock::moment() const noexcept {
  timespec now{};
  // Without a system call, by the vDSO.
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return SteadyTime(Milliseconds(static_cast<std::int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000));
}

void NginxLog::write(LogLevel level, std::string_view line) noexcept {
  const ngx_uint_t wanted = nginx_level(level);
  if (log_->log_level < wanted) return;
  std::array<char, NGX_MAX_ERROR_STR> clean;
  const std::size_t size = std::min(line.size(), clean.size());
  std::transform(line.begin(), line.begin() + static_cast<std::ptrdiff_t>(size), clean.begin(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f ? '?' : c;
  });
  ngx_log_error(wanted, log_, 0, "agent gateway: %*s", size, clean.data());
}

namespace {

void from_openssl(unsigned char* out, std::size_t size) {
  while (size > 0) {
    const int part = static_cast<int>(std::min<std::size_t>(size, INT_MAX));
    if (RAND_bytes(out, part) != 1) {
      ERR_clear_error();
      throw std::runtime_error("the system has no randomness to give");
    }
    out += part;
    size -= static_cast<std::size_t>(part);
  }
}

}  // namespace

void NginxRandom::fill(unsigned char* out, std::size_t size) {
  if (size > stock_.size() / 4) return from_openssl(out, size);
  if (size > left_) {
    from_openssl(stock_.data(), stock_.size());
    left_ = stock_.size();
  }
  left_ -= size;
  // What has been given out is kept nowhere.
  std::memcpy(out, stock_.data() + left_, size);
  OPENSSL_cleanse(stock_.data() + left_, size);
}

}  // namespace agw::nginx
