#include "pool/QueuePauses.h"

#include <cppunit/extensions/HelperMacros.h>

#include <map>
#include <string>

namespace Passenger {

using std::chrono::nanoseconds;

class QueuePausesTest : public CPPUNIT_NS::TestFixture {
    CPPUNIT_TEST_SUITE(QueuePausesTest);
    CPPUNIT_TEST(testAPauseHasAnEndAndMayEndBefore);
    CPPUNIT_TEST(testTheNextPoolProcessKnowsThePauses);
    CPPUNIT_TEST(testMalformedLinesAreIgnored);
    CPPUNIT_TEST_SUITE_END();

    struct Notes final : DescriptorStore {
        void put(const std::string &key, const std::string &note, const std::vector<int> &) override {
            notes[key] = note;
        }
        void remove(const std::string &key) override { notes.erase(key); }
        std::map<std::string, std::string> notes;
    };

    Notes store_;
    QueuePauses pauses_{store_};

public:
    void testAPauseHasAnEndAndMayEndBefore() {
        CPPUNIT_ASSERT(!pauses_.until("blog"));
        pauses_.begin("blog", MonotonicTime(nanoseconds(7)));
        CPPUNIT_ASSERT(pauses_.until("blog") == MonotonicTime(nanoseconds(7)));
        pauses_.begin("blog", MonotonicTime(nanoseconds(9)));
        CPPUNIT_ASSERT(pauses_.until("blog") == MonotonicTime(nanoseconds(9)));
        CPPUNIT_ASSERT(!pauses_.until("shop"));
        pauses_.end("blog");
        pauses_.end("shop");
        CPPUNIT_ASSERT(!pauses_.until("blog"));
    }

    void testTheNextPoolProcessKnowsThePauses() {
        pauses_.begin("/srv/my blog (production)", MonotonicTime(nanoseconds(7)));
        pauses_.begin("shop", MonotonicTime(nanoseconds(8)));
        pauses_.end("shop");
        Notes empty;
        QueuePauses next(empty);
        for (const auto &[key, note] : store_.notes) {
            CPPUNIT_ASSERT_EQUAL(std::string(QueuePauses::KEY), key);
            next.restore(note);
        }
        CPPUNIT_ASSERT(next.until("/srv/my blog (production)") == MonotonicTime(nanoseconds(7)));
        CPPUNIT_ASSERT(!next.until("shop"));
    }

    void testMalformedLinesAreIgnored() {
        pauses_.restore("x blog\n12\n\n99999999999999999999 blog\n5 shop\n");
        CPPUNIT_ASSERT(!pauses_.until("blog"));
        CPPUNIT_ASSERT(pauses_.until("shop") == MonotonicTime(nanoseconds(5)));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(QueuePausesTest);

}  // namespace Passenger
