"""What the two channels of Tencent share: sealed callbacks, their XML, access tokens and error codes."""
