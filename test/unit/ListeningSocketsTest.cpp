#include "standalone/ListeningSockets.h"

#include <cppunit/extensions/HelperMacros.h>
#include <stdlib.h>

#include <filesystem>
#include <string>
#include <vector>

#include "prefork/Listening.h"
#include "support/LeakCheck.h"

namespace Passenger {

class ListeningSocketsTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(ListeningSocketsTest);
    CPPUNIT_TEST(testASuccessorRemovesWhatItsPredecessorMade);
    CPPUNIT_TEST(testASuccessorLeavesWhatIsSystemds);
    CPPUNIT_TEST_SUITE_END();

    std::string folder_;
    std::string path_;

    /** What becomes of a socket that was handed over, when these were to be listened at. @return whether its file is still there */
    bool outlives(const std::vector<ListenAddress> &addresses) {
        ::setenv(ListeningSockets::HANDED_OVER, std::to_string(listenOnUnix(path_).release()).c_str(), 1);
        {
            ListeningSockets::Settings settings;
            settings.addresses = addresses;
            ListeningSockets sockets(settings);
            sockets.start();
            CPPUNIT_ASSERT_EQUAL(std::size_t{1}, sockets.descriptors().size());
        }
        return std::filesystem::exists(path_);
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        char name[] = "/tmp/passenger.sockets.XXXXXX";
        folder_ = ::mkdtemp(name);
        path_ = folder_ + "/socket";
    }
    void tearDown() override {
        std::filesystem::remove_all(folder_);
        LeakCheck::tearDown();
    }

    void testASuccessorRemovesWhatItsPredecessorMade() {
        CPPUNIT_ASSERT(!outlives({ListenAddress::tcp("3000"), ListenAddress::unixSocket(path_)}));
    }

    void testASuccessorLeavesWhatIsSystemds() {
        CPPUNIT_ASSERT(outlives({ListenAddress::unixSocket(path_ + ".other")}));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ListeningSocketsTest);

}  // namespace Passenger
