#include "agent/DescriptorLog.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "base/FileDescriptor.h"
#include "support/CapturedLog.h"
#include "support/LeakCheck.h"

namespace Passenger {

namespace fs = std::filesystem;

class DescriptorLogTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(DescriptorLogTest);
    CPPUNIT_TEST(testAListingIsAppended);
    CPPUNIT_TEST(testAFifoIsRefused);
    CPPUNIT_TEST(testAFifoWithoutAReaderDoesNotBlock);
    CPPUNIT_TEST(testAnotherUsersFileIsRefused);
    CPPUNIT_TEST_SUITE_END();

    std::unique_ptr<CapturedLog> log_;
    std::string folder_;
    std::string path_;

    std::string text() const {
        std::ifstream file(path_);
        return {std::istreambuf_iterator<char>(file), {}};
    }
    void list() const { DescriptorLog().use(path_, "test"); }

public:
    void setUp() override {
        LeakCheck::setUp();
        log_ = std::make_unique<CapturedLog>();
        char folder[] = "/tmp/passenger-unit-DescriptorLogTest.XXXXXX";
        CPPUNIT_ASSERT(::mkdtemp(folder) != nullptr);
        folder_ = folder;
        path_ = folder_ + "/descriptors";
    }

    void tearDown() override {
        fs::remove_all(folder_);
        log_.reset();
        LeakCheck::tearDown();
    }

    void testAListingIsAppended() {
        std::ofstream(path_) << "old\n";
        list();
        CPPUNIT_ASSERT(text().starts_with("old\n"));
        CPPUNIT_ASSERT(text().find("reason=test descriptors=") != std::string::npos);
    }

    void testAFifoIsRefused() {
        CPPUNIT_ASSERT_EQUAL(0, ::mkfifo(path_.c_str(), 0600));
        const FileDescriptor reader(::open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
        list();
        char byte = 0;
        CPPUNIT_ASSERT_EQUAL(ssize_t{0}, ::read(reader.get(), &byte, 1));
        CPPUNIT_ASSERT(log_->contains("descriptors is not a regular file"));
    }

    void testAFifoWithoutAReaderDoesNotBlock() {
        CPPUNIT_ASSERT_EQUAL(0, ::mkfifo(path_.c_str(), 0600));
        list();
        CPPUNIT_ASSERT(log_->contains("event=descriptor_log.failed"));
    }

    void testAnotherUsersFileIsRefused() {
        if (::geteuid() != 0) {
            return;
        }
        std::ofstream(path_) << "";
        CPPUNIT_ASSERT_EQUAL(0, ::chown(path_.c_str(), 54321, 54321));
        list();
        CPPUNIT_ASSERT_EQUAL(std::string(), text());
        CPPUNIT_ASSERT(log_->contains("belongs to user 54321: make it belong to root"));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(DescriptorLogTest);

}  // namespace Passenger
