// A log file in nginx's care: opened by the master, reopened at USR1.
#pragma once

#include <functional>

#include "agw/io/append_file.h"

#include "../nginx.h"

namespace agw::nginx {

/// While one exists the file's flush callback leads to it; one per file and worker.
class OpenFile final : public AppendFile {
 public:
  /// While the configuration is read (opens are done when all of it was). Null after an error,
  /// which is logged. The name is relative to nginx's prefix.
  [[nodiscard]] static ngx_open_file_t* declare(ngx_conf_t* cf, ngx_str_t name) noexcept;

  /// In a worker. `file` lives as long as the cycle.
  OpenFile(ngx_open_file_t& file, ngx_log_t* log) noexcept;
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  ~OpenFile() override;

  bool append(std::string_view lines) noexcept override;
  /// Called before the file is reopened: whoever holds lines back writes them then.
  void before_reopen(std::function<void()> call) { before_reopen_ = std::move(call); }

 private:
  static void flush(ngx_open_file_t* file, ngx_log_t* log) noexcept;
  [[nodiscard]] bool write_all(std::string_view bytes, std::size_t& written) noexcept;

  ngx_open_file_t& file_;
  ngx_log_t* log_;
  std::function<void()> before_reopen_;
  ngx_fd_t private_fd_ = NGX_INVALID_FILE;  // the descriptor whose file is known to be its owner's alone
  bool torn_ = false;     // the file ends inside a line
  bool failing_ = false;  // said once until it works again
};

}  // namespace agw::nginx
