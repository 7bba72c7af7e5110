// A log file in nginx's care: opened by the master, reopened at USR1.
#pragma once

#include <functional>

#include "agw/io/log_file.h"

#include "../nginx.h"

namespace agw::nginx {

/// While one exists the file's flush callback leads to it; one per file and process.
class OpenFile final : public LogFile {
 public:
  /// While the configuration is read (opens are done when all of it was). Null after an error,
  /// which is logged. The name is relative to nginx's prefix.
  [[nodiscard]] static ngx_open_file_t* declare(ngx_conf_t* cf, ngx_str_t name) noexcept;

  /// `file` lives as long as the cycle.
  OpenFile(ngx_open_file_t& file, ngx_log_t* log) noexcept;
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  ~OpenFile() override;

  [[nodiscard]] std::optional<State> begin() noexcept override;
  void end() noexcept override;
  [[nodiscard]] std::size_t append(std::string_view bytes) noexcept override;
  [[nodiscard]] std::string read(std::uint64_t identity, std::uint64_t offset, std::size_t size) override;
  [[nodiscard]] bool cut(std::uint64_t identity, std::uint64_t size) noexcept override;
  [[nodiscard]] bool sync() noexcept override;

  /// Called before the file is reopened: whoever holds lines back writes them then.
  void before_reopen(std::function<void()> call) { before_reopen_ = std::move(call); }

 private:
  static void flush(ngx_open_file_t* file, ngx_log_t* log) noexcept;
  /// Another descriptor of the file with this identity, or -1: nginx opened it for writing only,
  /// and it may have another name by now.
  [[nodiscard]] int reopen(std::uint64_t identity, int flags) const;
  void failed(const char* what) noexcept;

  ngx_open_file_t& file_;
  ngx_log_t* log_;
  std::function<void()> before_reopen_;
  ngx_fd_t private_fd_ = NGX_INVALID_FILE;  // the descriptor whose file is known to be its owner's alone
  bool regular_ = true;
  bool failing_ = false;  // said once until it works again
};

}  // namespace agw::nginx
