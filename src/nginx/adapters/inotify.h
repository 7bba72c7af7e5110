// Files that people edit while workers run.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agw/io/file_watch.h"

#include "../nginx.h"
#include "alarm.h"
#include "file_identity.h"

namespace agw::nginx {

class InotifyWatch;

/// One inotify descriptor for a worker, read when nginx says that something happened. Where the
/// system gives none (max_user_instances), watches live on their stat alone.
class Inotify {
 public:
  explicit Inotify(ngx_log_t* log) noexcept;
  Inotify(const Inotify&) = delete;
  Inotify& operator=(const Inotify&) = delete;
  ~Inotify();

 private:
  friend class InotifyWatch;
  /// The watch's number, or -1.
  [[nodiscard]] int add(const std::string& directory) noexcept;
  void join(InotifyWatch& watch);
  void leave(InotifyWatch& watch) noexcept;
  /// Takes what has been announced up to now.
  void read() noexcept;
  static void on_event(ngx_event_t* event) noexcept;

  ngx_log_t* log_;
  int fd_ = -1;
  ngx_connection_t* connection_ = nullptr;
  std::vector<InotifyWatch*> watches_;
};

/// The directory of the path as written and the one that its symbolic links end in are watched:
/// files renamed into place, links replaced (as Kubernetes does) and files written in place count.
class InotifyWatch final : public FileWatch {
 public:
  /// `known`: what the file looked like before it was last read. An edit since then, by whatever
  /// process read it, counts: a worker may start long after the configuration was loaded.
  InotifyWatch(Inotify& inotify, std::string path, const FileIdentity& known, ngx_log_t* log);
  InotifyWatch(const InotifyWatch&) = delete;
  InotifyWatch& operator=(const InotifyWatch&) = delete;
  ~InotifyWatch() override;

  [[nodiscard]] bool changed() noexcept override;
  void on_announcement(std::function<void()> hear) override { hear_ = std::move(hear); }
  [[nodiscard]] const std::string& path() const noexcept override { return path_; }

 private:
  friend class Inotify;
  void watch_directories() noexcept;
  void announced(int directory, std::string_view name) noexcept;
  static void next_turn(void* self) noexcept;

  Inotify& inotify_;
  std::string path_;
  std::string name_;         // in the directory of the path
  std::string target_name_;  // in the directory where links end
  int directory_ = -1;
  int target_directory_ = -1;
  FileIdentity seen_;
  std::function<void()> hear_;
  bool announced_ = false;
  bool looked_ = false;  // in this turn
  EventIdentity identity_;
  ngx_event_t turn_{};
};

}  // namespace agw::nginx
