"""What a person can do about an error of AWS, by its code or, before AWS answered, its class."""

from __future__ import annotations

import re

_SIGN_IN = "the sign-in has expired: sign in again (aws sso login, or new keys by: aws configure)"
_WHO = "the AWS credentials are not valid: check them with: aws sts get-caller-identity"
_NONE = "no AWS credentials were found; run: aws configure"
_NETWORK = "AWS cannot be reached: check the network, the proxy and the region, then run again"
_BUSY = "AWS answers more slowly than it is asked: run again in a minute, or with fewer at once"
_FAULT = "AWS has a fault at the moment: run again in a few minutes"
_REGION = "the bucket is in another region: give that region, or another bucket"
_CLOCK = "the clock of this machine is wrong: set it and run again"

_ADVICE = {
    **dict.fromkeys(
        (
            *("ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"),
            *("UnauthorizedException", "InvalidToken"),
        ),
        _SIGN_IN,
    ),
    **dict.fromkeys(
        (
            *("InvalidAccessKeyId", "UnrecognizedClientException", "InvalidClientTokenId"),
            *("SignatureDoesNotMatch", "InvalidSignatureException", "AuthFailure"),
            *("IncompleteSignature", "MissingAuthenticationToken"),
        ),
        _WHO,
    ),
    **dict.fromkeys(
        (
            *("Throttling", "ThrottlingException", "ThrottledException", "SlowDown"),
            *("RequestThrottled", "RequestThrottledException", "TooManyRequestsException"),
            *(
                "ProvisionedThroughputExceededException",
                "RequestLimitExceeded",
                "PriorRequestNotComplete",
            ),
            *("BandwidthLimitExceeded", "LimitExceededException", "EC2ThrottledException"),
            *("TransactionInProgressException", "429"),
        ),
        _BUSY,
    ),
    **dict.fromkeys(("RequestTimeTooSkewed", "RequestInTheFuture"), _CLOCK),
    **dict.fromkeys(
        ("PermanentRedirect", "AuthorizationHeaderMalformed", "301", "IncorrectEndpoint"), _REGION
    ),
    "OptInRequired": "this account is not yet allowed to use this service or region: switch it on",
    "NoSuchBucket": "there is no such bucket in any account: check its name",
    "ImageTooLargeException": "the image is larger than this service takes: make it smaller",
    "InvalidImageFormatException": "the service can't read the image: save it as JPEG or PNG",
    "ModelError": "the model itself failed on this: see the log of its endpoint in CloudWatch",
    "ModelNotReadyException": "the model is still being loaded: run again in a minute",
    "ValidationError": "check the name, the region, and whether it is in service",
    "ValidationException": "the request does not fit what is there: check names and versions",
}

_CLIENT_SIDE = {
    **dict.fromkeys(("NoCredentialsError", "CredentialRetrievalError", "NoAuthTokenError"), _NONE),
    "PartialCredentialsError": "the AWS credentials are incomplete; run: aws configure",
    **dict.fromkeys(
        (
            *("UnauthorizedSSOTokenError", "SSOTokenLoadError", "SSOError", "TokenRetrievalError"),
            *("LoginRefreshRequired", "LoginTokenLoadError", "LoginError"),
        ),
        _SIGN_IN,
    ),
    **dict.fromkeys(
        ("NoRegionError",),
        "no AWS region is set: set AWS_REGION, or run: aws configure set region eu-central-1",
    ),
    "ProfileNotFound": "there is no such AWS profile; see: aws configure list-profiles",
    **dict.fromkeys(
        (
            *("EndpointConnectionError", "ConnectTimeoutError", "ReadTimeoutError", "SSLError"),
            *("ProxyConnectionError", "ConnectionClosedError", "HTTPClientError"),
            *("ConnectionError", "ResponseStreamingError", "IncompleteReadError"),
        ),
        _NETWORK,
    ),
}

_DENIED = frozenset(
    {
        *("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"),
        *("AuthorizationErrorException", "Forbidden", "AllAccessDisabled", "403"),
    }
)
_ABSENT = frozenset(
    {
        *("ResourceNotFoundException", "ResourceNotFound", "NotFound", "NotFoundException", "404"),
        *("NoSuchKey", "NoSuchVersion", "StateMachineDoesNotExist", "EntityNotFoundException"),
        *("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "ParameterNotFound"),
    }
)
# Where the permission is not named as the operation is.
_PERMISSIONS = {
    "ListObjectsV2": "s3:ListBucket",
    "ListObjectVersions": "s3:ListBucketVersions",
    "HeadBucket": "s3:ListBucket",
    "HeadObject": "s3:GetObject",
    "GetObject": "s3:GetObject",
    "PutObject": "s3:PutObject",
    "DeleteObject": "s3:DeleteObject",
    "DeleteObjects": "s3:DeleteObject",
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
    "GetBucketVersioning": "s3:GetBucketVersioning",
    "Invoke": "lambda:InvokeFunction",
    "TransactWriteItems": "dynamodb:PutItem and dynamodb:UpdateItem",
    "BatchWriteItem": "dynamodb:BatchWriteItem",
    "Converse": "bedrock:InvokeModel",
}
_NAMED = re.compile(r"perform:? ([a-z0-9-]+:[A-Za-z]+)")


def advice(code: str, status: int | None, said: str, operation: str) -> str:
    """What to do about a service's refusal."""
    if code in _ADVICE:
        return _ADVICE[code]
    if code in _DENIED or status == 403:
        return f"let your AWS user or role do {_permission(said, operation)}"
    if code in _ABSENT or status == 404:
        return "it does not exist in this account and region: check the name and the region"
    if status == 429:
        return _BUSY
    if status is not None and status >= 500:
        return _FAULT
    return "check what was asked for"


def client_side(name: str, said: str) -> str:
    """What to do about an error that boto3 raised by itself, by the name of its class."""
    known = _CLIENT_SIDE.get(name)
    return f"{known} ({said:.200})" if known else f"{name}: {said:.300}"


def _permission(said: str, operation: str) -> str:
    named = _NAMED.search(said)
    if named:
        return named[1]
    return _PERMISSIONS.get(operation) or (f"'{operation}'" if operation else "this")
