// The pages in which processes tell of themselves: a file that agwctl reads.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "agw/status/page.h"

namespace agw::nginx {

/// `status.pages` in agent_state, made and mapped by the master before it forks, since workers may not enter the
/// directory. Several servers share it. Who owns a page is a record lock, which the kernel frees when a process ends.
/// Its room is taken from the disk when it is made: a full disk can't kill who writes into a mapping.
class StatusFile {
 public:
  /// `before`: what the directory's file was opened as; it is used on while that is the same file. Throws
  /// std::runtime_error with what is wrong.
  [[nodiscard]] static std::shared_ptr<StatusFile> open(const std::string& directory,
                                                        const std::shared_ptr<StatusFile>& before);
  StatusFile(const StatusFile&) = delete;
  StatusFile& operator=(const StatusFile&) = delete;
  ~StatusFile();

  /// By the master: adds pages until so many have no owner. Throws when the disk has no room.
  void reserve(std::size_t free_pages);
  /// By the master of a server that begins: nobody waits for those that died before.
  void forget_dead() noexcept;

  /// One process's page, until its end.
  class Claim {
   public:
    /// Takes a page, best the one of a predecessor with the same task that died; tells of that in `process`.
    Claim(std::shared_ptr<StatusFile> file, status::Process& process) noexcept;
    Claim(const Claim&) = delete;
    Claim& operator=(const Claim&) = delete;
    ~Claim();
    /// Null: there was none.
    [[nodiscard]] status::Page* page() noexcept { return page_ ? &*page_ : nullptr; }

   private:
    std::shared_ptr<StatusFile> file_;
    std::size_t index_ = 0;
    std::optional<status::Page> page_;
  };

 private:
  StatusFile(int fd, std::string path) noexcept : fd_(fd), path_(std::move(path)) {}
  [[nodiscard]] bool is_there() const noexcept;
  void map();
  [[nodiscard]] status::Page page(std::size_t index) noexcept;
  [[nodiscard]] bool take(std::size_t index) noexcept;
  void release(std::size_t index) noexcept;
  [[nodiscard]] bool owned(std::size_t index) const noexcept;

  int fd_;
  std::string path_;
  std::byte* memory_ = nullptr;  // of as many pages as there can be; those behind the file's end are not to be touched
  std::size_t pages_ = 0;
  std::vector<bool> mine_;
};

}  // namespace agw::nginx
