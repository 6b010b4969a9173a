#include "agent/SettingsUpdater.h"

#include <utility>

namespace Passenger {

SettingsUpdater::SettingsUpdater(std::function<void(Frame)> apply)
    : apply_(std::move(apply)), thread_("settings", [this] { run(); }) {}

SettingsUpdater::~SettingsUpdater() {
    {
        const LockGuard guard(mutex_);
        ending_ = true;
        changed_.notify_one();
    }
    thread_.join();
}

void SettingsUpdater::apply(Frame settings) {
    std::optional<Frame> old(std::move(settings));
    const LockGuard guard(mutex_);
    waiting_.swap(old);
    changed_.notify_one();
}

void SettingsUpdater::run() {
    while (std::optional<Frame> settings = next()) {
        apply_(std::move(*settings));
    }
}

/** Waits. Nothing: the thread is to end. */
std::optional<Frame> SettingsUpdater::next() {
    LockGuard guard(mutex_);
    while (!waiting_ && !ending_) {
        guard.wait(changed_);
    }
    return ending_ ? std::nullopt : std::exchange(waiting_, std::nullopt);
}

}  // namespace Passenger
