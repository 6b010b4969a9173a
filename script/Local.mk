EXTRA_DIST += \
    %D%/run-tests
