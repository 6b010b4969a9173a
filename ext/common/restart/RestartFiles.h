#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/Mutex.h"
#include "rights/Rights.h"

namespace Passenger {

/** A folder for restart files, and the user who looks at it, as of a FolderLook. */
struct RestartFolder {
    std::string path;
    RunAs user{};

    friend bool operator==(const RestartFolder &a, const RestartFolder &b) {
        return a.path == b.path && a.user == b.user && a.user.options == b.user.options;
    }
};

/**
 * Detects requests to restart an application. A request is a new restart.txt in the restart folder
 * (PassengerRestartDir), a changed mtime of it (forwards or backwards), or the presence of
 * always_restart.txt. Paths are resolved anew for each check, so that a `current` link may move.
 * The checks use the rights of the application's user.
 *
 * begin(), changed() and always() may block on a slow file system, and hold no lock of this object
 * then. Their callers are not on the event loop and do not hold the pool's lock. Thread-safe.
 */
class RestartFiles {
public:
    /** In place of a state: a restart was asked for, and is not done. */
    static constexpr const char *ASKED = "asked";

    /**
     * Does not access the files.
     * @param restartDir relative to appRoot, or absolute
     * @param seen the state that an earlier pool process has seen(); it counts as recorded. ASKED:
     *     the first call of changed() tells of a restart
     */
    RestartFiles(const std::string &appRoot, const std::string &restartDir,
                 const std::optional<std::string> &seen = std::nullopt);
    /** Held from a look until what follows from it has been ordered. */
    Mutex &turn() RETURN_CAPABILITY(turn_) { return turn_; }
    /**
     * The files are in this folder from now on, as after a reload that changes PassengerRestartDir.
     * The next look records its state, without a restart. A folder that was followed before is
     * compared with its last state. Does not access the files.
     */
    void follow(const std::string &appRoot, const std::string &restartDir) EXCLUDES(mutex_);
    /** The folder of the files; it need not exist. */
    RestartFolder folder() const EXCLUDES(mutex_);
    /**
     * The first call of begin() or changed() records the present state; later states are compared
     * with it. begin() is called before an instance is started.
     * @param user who looks at the files from now on, as of a FolderLook
     * @param change the lastChange() of the options that give this user. A user by later options
     *     stays
     * @throws IOException if the files cannot be looked at
     */
    void begin(const RunAs &user = {}, std::uint64_t change = 0) EXCLUDES(mutex_);
    /** Records "no file" as the present state, since the user is not known yet. */
    void beginUnseen() EXCLUDES(mutex_);
    /** The recorded state, or ASKED; without spaces. */
    std::string seen() const EXCLUDES(mutex_);
    /** The options that give the user have changed: begin() is to be called again. Until then the
     *  user is as before. */
    void userMayDiffer() EXCLUDES(mutex_);
    /** The number of the last call of userMayDiffer(). */
    std::uint64_t lastChange() const EXCLUDES(mutex_);
    /** Whether a state was ever recorded, or a restart asked for. Before that nothing has read the
     *  application's files. */
    bool isFollowed() const EXCLUDES(mutex_);
    /** Whether begin() has set the user. */
    bool knowsUser() const EXCLUDES(mutex_);
    /** Whether begin() is to be called with the user by the present options. */
    bool needsUser() const EXCLUDES(mutex_);
    /** Whether a restart was requested since the last call. One thread at a time calls it, with the
     *  turn(). */
    bool changed() EXCLUDES(mutex_);
    /** The restart that changed() was about has failed: the next call tells of it again. */
    void askAgain() EXCLUDES(mutex_);
    /** Whether changed() or always() is to be called, by times of the folder: also if no state is
     *  recorded. Does not block. */
    bool mayAsk(const RestartTimes &times) const EXCLUDES(mutex_);
    /** Whether always_restart.txt is present: each check then restarts. */
    bool always() const EXCLUDES(mutex_);

private:
    static RestartTimes look(const RestartFolder &folder);

    Mutex turn_{Locks::RESTART_TURN};
    mutable Mutex mutex_{Locks::RESTART_FILES};
    std::string folder_ GUARDED_BY(mutex_);
    std::uint64_t lastChange_ GUARDED_BY(mutex_) = 0;
    RunAs user_ GUARDED_BY(mutex_);
    /** The lastChange() that user_ is from; nothing: begin() has set no user. */
    std::optional<std::uint64_t> userOf_ GUARDED_BY(mutex_);
    bool begun_ GUARDED_BY(mutex_) = false;
    /** RestartTimes::restart; so are the earlier ones. */
    std::string last_ GUARDED_BY(mutex_);
    /** The last states of folders that were followed before. */
    std::map<std::string, std::string> earlier_ GUARDED_BY(mutex_);
    /** The next call of changed() tells of a restart. */
    bool asked_ GUARDED_BY(mutex_) = false;
};

}  // namespace Passenger
