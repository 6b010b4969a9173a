#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <optional>
#include <string>

namespace Passenger {

/**
 * The applications that drain, and their owners; or the whole server. An application that drains
 * gets no request, so that the pool forgets it, or a further pool process does not know it: its
 * owner may still end the drain.
 *
 * A plain value.
 */
class Drains {
public:
    /** An application's user. Nothing: unknown, or the agent's own. */
    using Owner = std::optional<uid_t>;

    /** @param note that an earlier object has made; empty: there was none */
    explicit Drains(const std::string &note);

    /** Whether the whole server drains. */
    bool all() const noexcept { return all_; }
    bool contains(const std::string &app) const { return all_ || apps_.contains(app); }
    /** Applications that were drained by themselves. */
    const std::map<std::string, Owner> &apps() const noexcept { return apps_; }
    Owner ownerOf(const std::string &app) const;

    /** @return whether that was a change */
    bool drainAll(bool drains) noexcept;
    /** @param asker who may not take all the room; nothing: a master
     *  @return whether that was a change. @throws IOException: the note has no room */
    bool begin(const std::string &app, Owner owner, Owner asker);
    bool end(const std::string &app) { return apps_.erase(app) > 0; }
    /** Asks for all owners anew. @return whether there was a change */
    bool noteOwners(const std::function<Owner(const std::string &app)> &ownerOf);

    /** The text from which the next pool process, or the next agent, makes its Drains. */
    std::string note() const;

private:
    bool all_ = false;
    std::map<std::string, Owner> apps_;
};

}  // namespace Passenger
