#pragma once

#include <cppunit/TestFixture.h>
#include <sys/types.h>

#include <map>
#include <set>
#include <string>

namespace Passenger {

/**
 * Base of fixtures: fails a test that leaves an open descriptor, a child process (running or not
 * reaped) or a thread.
 *
 * A fixture's own setUp() must begin with a call of this one, and its own tearDown() must end with
 * one. A fixture's members that have such resources must be reset in tearDown().
 */
class LeakCheck : public CppUnit::TestFixture {
public:
    void setUp() override;
    void tearDown() override;

private:
    struct Snapshot {
        /** The number, and the name of the open file. */
        std::map<int, std::string> descriptors;
        std::set<int> threads;
        /** The pid of a child that has ended, -1: one runs, 0: there is none. A sanitizer's
         *  symbolizer runs from the first report on. */
        pid_t child = 0;
    };

    static Snapshot take();
    std::string whatIsLeft() const;

    Snapshot before_;
};

}  // namespace Passenger
