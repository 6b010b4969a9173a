#include "apache2/response/ResponseCache.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace Passenger {

std::atomic<std::uint32_t> &ResponseCache::Changes::counter(std::string_view url) const noexcept {
    return (*counters_)[std::hash<std::string_view>()(url) % COUNT];
}

std::uint32_t ResponseCache::Changes::of(std::string_view url) const noexcept {
    return counter(url).load(std::memory_order_acquire);
}

void ResponseCache::Changes::add(std::string_view url) noexcept {
    counter(url).fetch_add(1, std::memory_order_acq_rel);
}

ResponseCache::Entry *ResponseCache::entryOf(std::string_view key, std::size_t hash) {
    for (Entry &entry : entries_) {
        if (entry.answer && entry.hash == hash && entry.key == key) {
            return &entry;
        }
    }
    return nullptr;
}

ResponseCache::Entry &ResponseCache::leastNeeded() {
    return *std::min_element(entries_.begin(), entries_.end(), [](const Entry &a, const Entry &b) {
        return std::pair(a.answer != nullptr, a.usedAt) < std::pair(b.answer != nullptr, b.usedAt);
    });
}

ResponseCache::AnswerPtr ResponseCache::find(std::string_view key, std::string_view url, MonotonicTime now) {
    const std::size_t hash = std::hash<std::string_view>()(key);
    // Dropped answers are destroyed after the lock is released.
    AnswerPtr old;
    AnswerPtr found;
    {
        const LockGuard lock(mutex_);
        Entry *entry = entryOf(key, hash);
        if (entry == nullptr) {
            return nullptr;
        }
        if (entry->answer->freshUntil <= now || entry->changes != changes_.of(url)) {
            old = std::move(entry->answer);
            return nullptr;
        }
        entry->usedAt = ++uses_;
        found = entry->answer;
    }
    // isCurrent() reads the agent's memory, so the lock is not held.
    if (found->version.isCurrent()) {
        return found;
    }
    const LockGuard lock(mutex_);
    if (Entry *entry = entryOf(key, hash); entry != nullptr && entry->answer == found) {
        old = std::move(entry->answer);
    }
    return nullptr;
}

void ResponseCache::store(std::string_view key, std::uint32_t changesBefore, AnswerPtr answer) {
    if (!changes_ || key.size() > MAX_KEY || answer->head.size() > MAX_HEAD || answer->body.size() > MAX_BODY) {
        return;
    }
    const std::size_t hash = std::hash<std::string_view>()(key);
    Entry entry{hash, std::string(key), changesBefore, 0, std::move(answer)};
    {
        const LockGuard lock(mutex_);
        entry.usedAt = ++uses_;
        Entry *place = entryOf(key, hash);
        std::swap(place != nullptr ? *place : leastNeeded(), entry);
    }
    used_.store(true, std::memory_order_relaxed);
}

}  // namespace Passenger
