#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "base/Mutex.h"

namespace Passenger {

/** Something about each application, by name, until keep() forgets it. Thread-safe; never
 *  blocks. */
template <typename Value> class AppTable {
public:
    explicit AppTable(const LockRank &rank) : mutex_(rank) {}

    void set(const std::string &app, Value value) EXCLUDES(mutex_) {
        const LockGuard guard(mutex_);
        entries_[app] = {std::move(value), false};
    }
    void add(const std::string &app, const Value &more) EXCLUDES(mutex_) {
        const LockGuard guard(mutex_);
        Entry &entry = entries_[app];
        entry.value += more;
        entry.doubted = false;
    }
    /** Nothing: there is none. */
    std::optional<Value> of(const std::string &app) const EXCLUDES(mutex_) {
        const LockGuard guard(mutex_);
        const auto found = entries_.find(app);
        return found == entries_.end() ? std::nullopt : std::optional(found->second.value);
    }
    /** Forgets the applications for which the function returns false in two calls, one after the
     *  other. The caller may not know yet that an application was started. */
    void keep(const std::function<bool(const std::string &)> &isKnown) EXCLUDES(mutex_) {
        const LockGuard guard(mutex_);
        for (auto next = entries_.begin(); next != entries_.end();) {
            const auto entry = next++;
            const bool doubts = !isKnown(entry->first);
            if (std::exchange(entry->second.doubted, doubts) && doubts) {
                entries_.erase(entry);
            }
        }
    }

private:
    struct Entry {
        Value value{};
        /** The last keep() did not know it. */
        bool doubted = false;
    };

    mutable Mutex mutex_;
    std::map<std::string, Entry> entries_ GUARDED_BY(mutex_);
};

}  // namespace Passenger
