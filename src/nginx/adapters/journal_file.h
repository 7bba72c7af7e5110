// The journal's memory: a file that all processes of one server have mapped.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agw/io/journal_memory.h"

namespace agw::nginx {

/// Made by the master before it forks; its children inherit descriptor and mappings, and no other
/// server can have the same file while one of them lives. Who owns what are record locks, which
/// the kernel frees when a process ends. All of a segment's room is taken from the disk when it is
/// made: a full disk can't hit those who write it.
class JournalFile final : public JournalMemory {
 public:
  /// What was found in a directory.
  struct Found {
    std::unique_ptr<JournalFile> own;                  ///< to be used: a predecessor's, or a new one
    std::vector<std::unique_ptr<JournalFile>> orphans; ///< of servers that are gone: to be sealed and removed
  };
  /// `audit-N.journal` in the directory. Throws std::runtime_error with what is wrong.
  [[nodiscard]] static Found open(const std::string& directory, std::size_t segment_bytes);
  /// Without a directory: it lives as long as one of the server's processes.
  [[nodiscard]] static std::unique_ptr<JournalFile> anonymous(std::size_t segment_bytes);

  JournalFile(const JournalFile&) = delete;
  JournalFile& operator=(const JournalFile&) = delete;
  ~JournalFile() override;

  /// By the master: adds segments until so many have no owner. Throws when the disk has no room.
  void reserve(std::size_t free_segments);
  /// By the master when all is sealed and nobody else lives: gives the room back.
  void shrink() noexcept;
  /// Removes the file's name.
  void remove() noexcept;

  [[nodiscard]] std::span<std::byte> control() noexcept override;
  [[nodiscard]] std::size_t segments() const noexcept override { return segments_.size(); }
  [[nodiscard]] std::span<std::byte> segment(std::size_t index) noexcept override;
  [[nodiscard]] bool take(std::size_t index) noexcept override;
  void release(std::size_t index) noexcept override;
  [[nodiscard]] bool owned(std::size_t index) noexcept override;
  [[nodiscard]] bool take_control() noexcept override;

 private:
  struct Head;
  class Mapping;

  JournalFile(int fd, std::string path) noexcept;
  /// Null if another server has it.
  static std::unique_ptr<JournalFile> lock(const std::string& path, bool make);
  /// Maps what the file holds; a file that is none of ours, or half made, begins anew.
  void adopt(std::size_t segment_bytes);
  void add_segment();

  int fd_;
  std::string path_;
  std::unique_ptr<Mapping> front_;  // the head and the control block
  std::vector<std::unique_ptr<Mapping>> segments_;
  std::vector<bool> mine_;
};

}  // namespace agw::nginx
