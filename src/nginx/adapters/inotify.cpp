#include "inotify.h"

#include <array>
#include <filesystem>
#include <utility>

#include <sys/inotify.h>
#include <unistd.h>

namespace agw::nginx {
namespace {

// What an edit ends with: IN_MODIFY would announce half-written files.
constexpr std::uint32_t wanted =
    IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ATTRIB;
constexpr std::size_t read_size = 4096;

}  // namespace

Inotify::Inotify(ngx_log_t* log) noexcept : log_(log), fd_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
  if (fd_ < 0) {
    ngx_log_error(NGX_LOG_WARN, log_, ngx_errno, "agent gateway: inotify_init1() failed; files are looked at instead");
    return;
  }
  connection_ = adopt_descriptor(fd_, this, on_event, log_);
  if (connection_ != nullptr) {
    if (ngx_add_event(connection_->read, NGX_READ_EVENT, NGX_LEVEL_EVENT) == NGX_OK) return;
    ngx_close_connection(std::exchange(connection_, nullptr));
    fd_ = -1;
    return;
  }
  ::close(std::exchange(fd_, -1));
}

Inotify::~Inotify() {
  if (connection_ != nullptr) ngx_close_connection(connection_);  // closes the descriptor
}

int Inotify::add(const std::string& directory) noexcept {
  return fd_ < 0 ? -1 : ::inotify_add_watch(fd_, directory.c_str(), wanted | IN_ONLYDIR);
}

void Inotify::join(InotifyWatch& watch) { watches_.push_back(&watch); }

void Inotify::leave(InotifyWatch& watch) noexcept { std::erase(watches_, &watch); }

void Inotify::on_event(ngx_event_t* event) noexcept {
  static_cast<Inotify*>(static_cast<ngx_connection_t*>(event->data)->data)->read();
}

void Inotify::read() noexcept {
  if (fd_ < 0) return;
  alignas(inotify_event) std::array<char, read_size> buffer;
  while (true) {
    const ssize_t got = ::read(fd_, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return;
    for (std::size_t at = 0; at < static_cast<std::size_t>(got);) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
      at += sizeof *event + event->len;
      const std::string_view name(event->len > 0 ? event->name : "");
      for (InotifyWatch* watch : watches_) watch->announced((event->mask & IN_Q_OVERFLOW) != 0 ? -1 : event->wd, name);
    }
  }
}

InotifyWatch::InotifyWatch(Inotify& inotify, std::string path, const FileIdentity& known, ngx_log_t* log)
    : inotify_(inotify), path_(std::move(path)), name_(std::filesystem::path(path_).filename().string()), seen_(known) {
  identity_.object = this;
  turn_.data = &identity_;
  turn_.log = log;
  turn_.handler = [](ngx_event_t* event) noexcept { next_turn(static_cast<EventIdentity*>(event->data)->object); };
  watch_directories();
  inotify_.join(*this);
}

InotifyWatch::~InotifyWatch() {
  inotify_.leave(*this);
  delete_posted_event(&turn_);
}

void InotifyWatch::watch_directories() noexcept {
  try {
    const std::filesystem::path written(path_);
    directory_ = inotify_.add(written.has_parent_path() ? written.parent_path().string() : ".");
    std::error_code error;
    const auto target = std::filesystem::canonical(written, error);
    target_name_.clear();
    target_directory_ = -1;
    if (error) return;
    target_name_ = target.filename().string();
    target_directory_ = inotify_.add(target.parent_path().string());
  } catch (...) {
    // Without a watch there is still the stat.
    target_directory_ = -1;
  }
}

void InotifyWatch::announced(int directory, std::string_view name) noexcept {
  // Overflow, or the directory itself: look again.
  const bool ours = directory < 0 || (directory == directory_ && (name == name_ || name.empty())) ||
                    (directory == target_directory_ && (name == target_name_ || name.empty()));
  if (!ours) return;
  announced_ = true;
  if (!hear_) return;
  try {
    hear_();
  } catch (...) {
    // The next call asks all the same.
    ngx_log_error(NGX_LOG_WARN, turn_.log, 0, "agent gateway: no memory to look at an edited file at once");
  }
}

bool InotifyWatch::changed() noexcept {
  if (!announced_) {
    if (looked_) return false;
    looked_ = true;
    // Runs after the events of this turn; requests that are handled in it share one stat.
    post_event(&turn_, &ngx_posted_events);
    if (file_identity(path_) == seen_) return false;
  }
  // What is announced up to here is this edit; what happens after the next look will be another.
  inotify_.read();
  announced_ = false;
  watch_directories();
  seen_ = file_identity(path_);
  return true;
}

void InotifyWatch::next_turn(void* self) noexcept { static_cast<InotifyWatch*>(self)->looked_ = false; }

}  // namespace agw::nginx
