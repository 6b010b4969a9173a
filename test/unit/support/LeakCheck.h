#pragma once

#include <cppunit/TestFixture.h>

#include <map>
#include <set>
#include <string>

namespace Passenger {

/**
 * Base of fixtures: fails a test that leaves an open descriptor, a child process (running or not reaped) or a thread behind.
 *
 * A fixture with a setUp() or tearDown() of its own calls this one's first there, and last here. What a fixture holds as a member
 * must be gone before: reset it in tearDown().
 */
class LeakCheck : public CppUnit::TestFixture {
public:
    void setUp() override;
    void tearDown() override;

private:
    struct Snapshot {
        /** Number and what it is open on. */
        std::map<int, std::string> descriptors;
        std::set<int> threads;
    };

    static Snapshot take();
    std::string whatIsLeft() const;

    Snapshot before_;
};

}  // namespace Passenger
