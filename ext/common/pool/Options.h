#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>

namespace Passenger {

/**
 * What to run and how: the argument of Pool::get(). A plain value; compared by nobody, since what is one application is decided by
 * groupName() alone. Of several requests for one group, the first one's options are used to make it, later ones' to spawn.
 */
struct Options {
    using Variables = std::map<std::string, std::string>;

    /** The application's folder, absolute. */
    std::string appRoot;
    /** RAILS_ENV, RACK_ENV, … */
    std::string environment = "production";
    /** Which instances are one application; empty: "APPROOT (ENVIRONMENT)". */
    std::string appGroupName;
    std::string startupFile = "config.ru";
    /** Relative to appRoot, or absolute. */
    std::string restartDir = "tmp";
    std::string baseUri;

    std::string ruby = "ruby";
    /** "smart" or "direct" (or "dummy", in tests). */
    std::string spawnMethod = "smart";
    /** Empty: the owner of the startup file, its primary group. */
    std::string user;
    std::string group;
    /** Instead of root or of an unknown owner. Empty group: the user's primary one. */
    std::string defaultUser = "nobody";
    std::string defaultGroup;
    bool userSwitching = true;

    unsigned minInstances = 1;
    /** 0: no limit of its own. */
    unsigned maxInstances = 0;
    unsigned threads = 1;
    std::chrono::seconds startTimeout{90};

    /** Values for the process's environment (SetEnv …). Asked only when a spawn may follow, not for each request. */
    std::function<Variables()> variables;

    std::string groupName() const {
        return appGroupName.empty() ? appRoot + " (" + environment + ")" : appGroupName;
    }

    /** The form in which options travel in frames. variables() become "env:NAME" entries. */
    Variables toMap() const;
    /** The reverse; unknown keys are left out, so that versions can differ. @throws ProtocolException for a value that is not understood */
    static Options fromMap(const Variables &map);
};

}  // namespace Passenger
