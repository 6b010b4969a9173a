EXTRA_DIST += \
    %D%/boot \
    %D%/common.sh \
    %D%/container \
    %D%/document-directives \
    %D%/document-prefork \
    %D%/fresh \
    %D%/fuzz \
    %D%/lint \
    %D%/lint-events \
    %D%/lint-includes \
    %D%/lint-module \
    %D%/lint-structure \
    %D%/list-events \
    %D%/model \
    %D%/package \
    %D%/run-fuzzers \
    %D%/run-tests \
    %D%/sanitize \
    %D%/sbom \
    %D%/server \
    %D%/setup \
    %D%/system.sh \
    %D%/test \
    %D%/unite-sources \
    %D%/united.mk
