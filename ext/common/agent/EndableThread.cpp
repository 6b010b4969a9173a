#include "agent/EndableThread.h"

#include <utility>

namespace Passenger {

EndableThread::EndableThread() : ending_(makeEventDescriptor()) {}

EndableThread::~EndableThread() {
    end();
}

void EndableThread::start(const char *name, Work work) {
    end();
    thread_ = Thread(name, [this, work = std::move(work)] { work(ending_); });
}

void EndableThread::end() noexcept {
    if (thread_.joinable()) {
        setEvent(ending_);
        thread_.join();
        clearEvent(ending_);
    }
}

}  // namespace Passenger
