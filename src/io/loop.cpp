#include "agw/io/loop.h"

namespace agw {

void Posted::unlink() noexcept {
  if (previous_ == nullptr || next_ == nullptr) return;
  previous_->next_ = next_;
  next_->previous_ = previous_;
  previous_ = nullptr;
  next_ = nullptr;
}

/// The head of a ring of posted items.
class Loop::Anchor final : public Posted {
 public:
  Anchor() { Loop::close_ring(*this); }
  ~Anchor() override {
    while (Posted* item = Loop::first(*this)) item->unlink();
  }

 private:
  void run() noexcept override {}
};

/// A task of the worker's own: started and, when it has ended, removed from a turn of the loop, or
/// kept to be begun again.
class Loop::Spawned final : public Posted {
 public:
  Spawned(Loop& loop, Task<void> task) : loop_(loop), task_(drive(*this, std::move(task))) {}
  Spawned(Loop& loop, std::function<Task<void>()> again)
      : loop_(loop), task_(drive(*this, again())), again_(std::move(again)) {}

  /// Begins anew what an exception has ended.
  void restart() {
    if (!ended_) return;
    task_ = drive(*this, again_());
    ended_ = false;
    started_ = false;
    loop_.post(*this);
  }

 private:
  friend class Loop;

  static Task<void> drive(Spawned& self, Task<void> task) {
    try {
      co_await std::move(task);
    } catch (...) {
      self.error_ = std::current_exception();
    }
    // The frame can't be destroyed while it runs: it posts itself and goes on the next turn.
    self.loop_.post(self);
  }

  void run() noexcept override {
    if (!started_) {
      started_ = true;
      task_.start();
      return;
    }
    const bool crashed = error_ != nullptr;
    if (crashed) loop_.report(std::exchange(error_, nullptr));
    if (!crashed || !again_) {
      loop_.reap(*this);
      return;
    }
    ended_ = true;
    loop_.schedule_restart();
  }

  Loop& loop_;
  Task<void> task_;
  std::function<Task<void>()> again_;  ///< of a kept task
  std::exception_ptr error_;
  bool started_ = false;
  bool ended_ = false;
};

Loop::Loop() : queue_(std::make_unique<Anchor>()), running_(std::make_unique<Anchor>()) {}

Loop::~Loop() { cancel_spawned(); }

void Loop::close_ring(Posted& anchor) noexcept {
  anchor.previous_ = &anchor;
  anchor.next_ = &anchor;
}

Posted* Loop::first(Posted& anchor) noexcept { return anchor.next_ == &anchor ? nullptr : anchor.next_; }

void Loop::post(Posted& item) noexcept {
  if (item.pending()) return;
  const bool was_empty = first(*queue_) == nullptr;
  item.previous_ = queue_->previous_;
  item.next_ = queue_.get();
  queue_->previous_->next_ = &item;
  queue_->previous_ = &item;
  if (was_empty) schedule();
}

void Loop::drain() noexcept {
  // Only what was posted before this call: an item that posts itself again can't starve nginx.
  // What runs may destroy other items; their destructors unlink them from either ring.
  if (first(*queue_) != nullptr) {
    Posted* head = queue_->next_;
    Posted* tail = queue_->previous_;
    close_ring(*queue_);
    Posted* last = running_->previous_;
    last->next_ = head;
    head->previous_ = last;
    tail->next_ = running_.get();
    running_->previous_ = tail;
  }
  while (Posted* item = first(*running_)) {
    item->unlink();
    item->run();
  }
}

void Loop::own(std::unique_ptr<Spawned> task) {
  Spawned& begun = *task;
  spawned_.push_back(std::move(task));
  post(begun);
}

void Loop::spawn(Task<void> task) { own(std::make_unique<Spawned>(*this, std::move(task))); }

void Loop::keep(std::function<Task<void>()> make) { own(std::make_unique<Spawned>(*this, std::move(make))); }

void Loop::restart() noexcept {
  for (const auto& task : spawned_) {
    try {
      task->restart();
    } catch (...) {
      schedule_restart();
    }
  }
}

void Loop::cancel_spawned() noexcept {
  // A task's destructor may spawn or unlink; take one at a time.
  while (!spawned_.empty()) {
    auto last = std::move(spawned_.back());
    spawned_.pop_back();
  }
}

void Loop::reap(Spawned& finished) noexcept {
  for (auto& entry : spawned_) {
    if (entry.get() != &finished) continue;
    std::swap(entry, spawned_.back());
    auto owned = std::move(spawned_.back());
    spawned_.pop_back();
    return;
  }
}

}  // namespace agw
