#include "open_file.h"

#include <cerrno>
#include <utility>

#include <sys/stat.h>
#include <unistd.h>

namespace agw::nginx {

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
  // The master reopens too, and has nothing to write.
  auto* self = static_cast<OpenFile*>(file->data);
  if (self == nullptr) return;
  try {
    if (self->before_reopen_) self->before_reopen_();
  } catch (...) {
    ngx_log_error(NGX_LOG_ALERT, log, 0, "agent gateway: lines of \"%V\" were lost while it was reopened", &file->name);
  }
  self->torn_ = false;
}

bool OpenFile::write_all(std::string_view bytes, std::size_t& written) noexcept {
  // The descriptor changes when the file is reopened; a short write happens when the disk is full
  // or a limit is reached, and the next one says why.
  written = 0;
  while (written < bytes.size()) {
    const ssize_t got = ::write(file_.fd, bytes.data() + written, bytes.size() - written);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    written += static_cast<std::size_t>(got);
  }
  return true;
}

bool OpenFile::append(std::string_view lines) noexcept {
  if (lines.empty()) return true;
  if (private_fd_ != file_.fd) {
    // nginx makes logs readable by everybody; who did what is not for everybody. It fails where the
    // master's user owns the file, which init_module has then seen to.
    static_cast<void>(::fchmod(file_.fd, S_IRUSR | S_IWUSR));
    private_fd_ = file_.fd;
  }
  std::size_t written = 0;
  // What is left of a torn line must not run into this one.
  if (torn_ && !write_all("\n", written)) return false;
  torn_ = false;
  if (write_all(lines, written)) {
    failing_ = false;
    return true;
  }
  const ngx_err_t error = ngx_errno;
  if (written > 0 && lines[written - 1] != '\n') {
    std::size_t ended = 0;
    torn_ = !write_all("\n", ended);
  }
  if (!std::exchange(failing_, true)) {
    ngx_log_error(NGX_LOG_CRIT, log_, error, "agent gateway: write to \"%V\" failed", &file_.name);
  }
  return false;
}

}  // namespace agw::nginx
