// Knows, at next to no cost, that a file has been edited.
#pragma once

#include <functional>
#include <string>

namespace agw {

/// Watches one path by inotify on its directory (renames and replaced symbolic links count), and
/// by at most one stat per turn of the event loop where a notification may still be under way.
class FileWatch {
 public:
  virtual ~FileWatch() = default;
  /// True once after each edit that happened before this call.
  [[nodiscard]] virtual bool changed() noexcept = 0;
  /// `hear` is called from the loop soon after an edit where the system announces edits: a hint to
  /// look, before anybody has to wait for it. Empty: nobody listens any more.
  virtual void on_announcement(std::function<void()> hear) = 0;
  [[nodiscard]] virtual const std::string& path() const noexcept = 0;
};

}  // namespace agw
