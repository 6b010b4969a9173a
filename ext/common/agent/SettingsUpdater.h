#pragma once

#include <condition_variable>
#include <functional>
#include <optional>

#include "base/Mutex.h"
#include "io/Frame.h"
#include "loop/Thread.h"

namespace Passenger {

/**
 * Applies settings in a thread of its own, one after the other. If several settings arrive while
 * others are applied, only the last of them are applied.
 *
 * Owned by PoolProcess. Thread-safe.
 */
class SettingsUpdater {
public:
    /** @param apply called in the thread; does not throw. @throws boost::thread_resource_error */
    explicit SettingsUpdater(std::function<void(Frame)> apply);
    /** Waits until the settings that are being applied are. Others are dropped. */
    ~SettingsUpdater();
    SettingsUpdater(const SettingsUpdater &) = delete;
    SettingsUpdater &operator=(const SettingsUpdater &) = delete;

    /** Returns at once. */
    void apply(Frame settings) EXCLUDES(mutex_);

private:
    void run() EXCLUDES(mutex_);
    std::optional<Frame> next() EXCLUDES(mutex_);

    const std::function<void(Frame)> apply_;
    Mutex mutex_{Locks::SETTINGS_UPDATER};
    std::condition_variable changed_;
    std::optional<Frame> waiting_ GUARDED_BY(mutex_);
    bool ending_ GUARDED_BY(mutex_) = false;
    Thread thread_;
};

}  // namespace Passenger
