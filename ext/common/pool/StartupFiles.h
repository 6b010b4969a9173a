#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <utility>

#include "exchange/Options.h"

namespace Passenger {

/**
 * The startup files with which the last version of an application was tried. A version that is
 * being tried, or has failed, is tried again with the startup file of a later configuration. One
 * that has failed is tried again once with each file of the same configuration, since places that
 * name different files ask by turns.
 *
 * Owned by the Group; guarded by the pool's lock.
 */
class StartupFiles {
public:
    struct VersionState {
        /** A version is being tried. */
        bool deploying = false;
        /** The last one has failed. */
        bool failed = false;
    };

    explicit StartupFiles(const Options &options) { follow(options, {.deploying = false, .failed = false}); }

    /** These options are in force. @return whether a version is to be tried with their startup
     *  file */
    bool follow(const Options &options, VersionState version) {
        const File before = std::exchange(present_, {options.appType, options.startupFile});
        const bool later = options.configuration > std::exchange(configuration_, options.configuration);
        const bool another = later && present_ != before;
        if (another) {
            tried_.clear();
        }
        return (another && version.deploying) || (version.failed && !tried_.contains(present_));
    }
    /** A version is tried with the present one. */
    void tried() { tried_.insert(present_); }
    /** The application itself has changed, and is tried with the present one. */
    void changed() { tried_ = {present_}; }

private:
    /** The application's type, too. */
    using File = std::pair<std::string, std::string>;

    std::uint64_t configuration_ = 0;
    File present_;
    std::set<File> tried_;
};

}  // namespace Passenger
