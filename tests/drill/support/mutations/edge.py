# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes to names, certificates, web ACLs and what CloudFront serves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.drill.support.mutations.model import GLOBAL, PREFIX, Account, mutation

DOMAIN = "sandbox.indivillage.internal"
ZONE = "Make the zone of the domain"
AUTHORITIES = "Let only these authorities issue certificates for the domain"
CERTIFICATE = "Request the certificate of the distribution"
PROOF = "Prove that the domain is ours"
NAMES = "Name the origins"
CHECKS = "Watch the origins from around the world"
LOG_GROUP = "Make the log group of the web ACL"
ACL = "Make the web ACL"
ACCESS = "Let CloudFront prove itself to the buckets"
HEADERS = "Have browsers protect the visitors"
SECRET = "Make the secret by which origins know CloudFront, once"
DISTRIBUTION = "Start the distribution"
DELIVERY = "Deliver the access logs of the distribution"
SITE = "Lead the site's names to the distribution"
RECORDS = "ChangeResourceRecordSets"


# --- the zone and its records ---


def zone_id(account: Account) -> str:
    return str(account.one("route53", "list_hosted_zones", "HostedZones")["Id"]).rpartition("/")[2]


def record(account: Account, name: str, kind: str) -> dict[str, Any]:
    found = account.client("route53").list_resource_record_sets(HostedZoneId=zone_id(account))["ResourceRecordSets"]
    (one,) = [item for item in found if (item["Name"], item["Type"]) == (f"{name}.", kind)]
    return dict(one)


def change_record(account: Account, action: str, item: dict[str, Any]) -> None:
    changes = {"Changes": [{"Action": action, "ResourceRecordSet": item}]}
    account.client("route53").change_resource_record_sets(HostedZoneId=zone_id(account), ChangeBatch=changes)


@mutation("zone", "comment changed", ZONE, operation="UpdateHostedZoneComment", argument="comment", host=GLOBAL)
def zone_comment_changed(account: Account) -> None:
    account.client("route53").update_hosted_zone_comment(Id=zone_id(account), Comment="changed")


@mutation("zone", "tag removed", ZONE, operation="ChangeTagsForResource", argument="tags", host=GLOBAL)
def zone_tag_removed(account: Account) -> None:
    account.client("route53").change_tags_for_resource(ResourceType="hostedzone", ResourceId=zone_id(account), RemoveTagKeys=["Project"])


@mutation("record", "another authority admitted", AUTHORITIES, operation=RECORDS, argument="value", host=GLOBAL)
def another_authority(account: Account) -> None:
    item = record(account, DOMAIN, "CAA")
    change_record(account, "UPSERT", {**item, "ResourceRecords": [{"Value": '0 issue "example.com"'}]})


@mutation("record", "time to live changed", AUTHORITIES, operation=RECORDS, argument="ttl", host=GLOBAL)
def authority_remembered_shorter(account: Account) -> None:
    change_record(account, "UPSERT", {**record(account, DOMAIN, "CAA"), "TTL": 60})


@mutation("record", "proof of the domain deleted", PROOF, DOMAIN, operation=RECORDS, argument="value", host=GLOBAL)
def proof_deleted(account: Account) -> None:
    found = account.client("route53").list_resource_record_sets(HostedZoneId=zone_id(account))["ResourceRecordSets"]
    change_record(account, "DELETE", next(item for item in found if item["Type"] == "CNAME"))


@mutation("record", "origin led elsewhere", NAMES, "primary", operation=RECORDS, argument="value", host=GLOBAL)
def origin_led_elsewhere(account: Account) -> None:
    item = record(account, f"origin-primary.{DOMAIN}", "A")
    item["AliasTarget"]["DNSName"] = "elsewhere-1.us-east-1.elb.amazonaws.com."
    change_record(account, "UPSERT", item)


@mutation("record", "site led elsewhere", SITE, f"{DOMAIN} A", operation=RECORDS, argument="value", host=GLOBAL)
def site_led_elsewhere(account: Account) -> None:
    item = record(account, DOMAIN, "A")
    item["AliasTarget"]["DNSName"] = "elsewhere.cloudfront.net."
    change_record(account, "UPSERT", item)


@mutation("record", "IPv6 name deleted", SITE, f"{DOMAIN} AAAA", operation=RECORDS, argument="type", host=GLOBAL)
def site_without_ipv6(account: Account) -> None:
    change_record(account, "DELETE", record(account, DOMAIN, "AAAA"))


# --- health checks ---


def update_check(account: Account, **changes: Any) -> None:
    check = account.one("route53", "list_health_checks", "HealthChecks")["Id"]
    account.client("route53").update_health_check(HealthCheckId=check, **changes)


@mutation("health check", "path changed", CHECKS, "primary", operation="UpdateHealthCheck", argument="resource_path", host=GLOBAL)
def check_asks_for_another_path(account: Account) -> None:
    update_check(account, ResourcePath="/")


@mutation("health check", "made patient", CHECKS, "primary", operation="UpdateHealthCheck", argument="failure_threshold", host=GLOBAL)
def check_is_patient(account: Account) -> None:
    update_check(account, FailureThreshold=10)


@mutation("health check", "asks somebody else", CHECKS, "primary", operation="UpdateHealthCheck", argument="fqdn", host=GLOBAL)
def check_asks_somebody_else(account: Account) -> None:
    update_check(account, FullyQualifiedDomainName="elsewhere.example")


@mutation("health check", "asks at another port", CHECKS, "primary", operation="UpdateHealthCheck", argument="port", host=GLOBAL)
def check_asks_at_another_port(account: Account) -> None:
    update_check(account, Port=8443)


@mutation("health check", "tag removed", CHECKS, "primary", operation="ChangeTagsForResource", argument="tags", host=GLOBAL)
def check_tag_removed(account: Account) -> None:
    check = account.one("route53", "list_health_checks", "HealthChecks")["Id"]
    account.client("route53").change_tags_for_resource(ResourceType="healthcheck", ResourceId=check, RemoveTagKeys=["Project"])


@mutation("health check", "switched off", CHECKS, "primary", operation="UpdateHealthCheck", argument="disabled", host=GLOBAL)
def check_switched_off(account: Account) -> None:
    update_check(account, Disabled=True)


@mutation("health check", "inverted", CHECKS, host=GLOBAL, reason="amazon.aws.route53_health_check does not know it")
def check_inverted(account: Account) -> None:
    update_check(account, Inverted=True)


# --- certificates ---


@mutation("certificate", "tag removed", CERTIFICATE, operation="AddTagsToCertificate", argument="tags", host=GLOBAL)
def requested_certificate_tag_removed(account: Account) -> None:
    account.client("acm").remove_tags_from_certificate(CertificateArn=edge_certificate(account), Tags=[{"Key": "Project"}])


@mutation("certificate", "tag added", CERTIFICATE, operation="RemoveTagsFromCertificate", argument="tags", host=GLOBAL)
def requested_certificate_tag_added(account: Account) -> None:
    account.client("acm").add_tags_to_certificate(CertificateArn=edge_certificate(account), Tags=[{"Key": "Owner", "Value": "me"}])


def edge_certificate(account: Account) -> str:
    found = account.client("acm").list_certificates(Includes={"keyTypes": ["EC_prime256v1"]})["CertificateSummaryList"]
    return str(next(item["CertificateArn"] for item in found if item["DomainName"] == DOMAIN))


# --- web ACLs ---


def acl(account: Account, scope: str) -> dict[str, Any]:
    client = account.client("wafv2")
    (summary,) = client.list_web_acls(Scope=scope)["WebACLs"]
    return dict(client.get_web_acl(Name=summary["Name"], Id=summary["Id"], Scope=scope))


def update_acl(account: Account, scope: str, **changes: Any) -> None:
    found = acl(account, scope)
    whole = {key: found["WebACL"][key] for key in ("DefaultAction", "Rules", "VisibilityConfig", "Description")}
    names = {"Name": found["WebACL"]["Name"], "Id": found["WebACL"]["Id"], "Scope": scope, "LockToken": found["LockToken"]}
    account.client("wafv2").update_web_acl(**names, **{**whole, **changes})


@mutation("web ACL", "a rule taken away", ACL, operation="UpdateWebACL", argument="rules", host=GLOBAL)
def acl_rule_taken_away(account: Account) -> None:
    update_acl(account, "CLOUDFRONT", Rules=acl(account, "CLOUDFRONT")["WebACL"]["Rules"][1:])


@mutation("web ACL", "logging switched off", ACL, operation="PutLoggingConfiguration", argument="log_destination_arn", host=GLOBAL)
def acl_without_log(account: Account) -> None:
    account.client("wafv2").delete_logging_configuration(ResourceArn=acl(account, "CLOUDFRONT")["WebACL"]["ARN"])


@mutation("web ACL", "load balancer let go", ACL, operation="AssociateWebACL", argument="resource_arns")
def acl_lets_go(account: Account) -> None:
    account.client("wafv2").disassociate_web_acl(ResourceArn=account.balancer_arn("public"))


@mutation("web ACL", "description and metrics changed", ACL, operation="UpdateWebACL", argument="description")
def acl_counts_nothing(account: Account) -> None:
    silent = {"SampledRequestsEnabled": False, "CloudWatchMetricsEnabled": False, "MetricName": f"{PREFIX}-public"}
    update_acl(account, "REGIONAL", Description="changed", VisibilityConfig=silent)


@mutation("web ACL", "tag removed", ACL, operation="TagResource", argument="tags")
def acl_tag_removed(account: Account) -> None:
    account.client("wafv2").untag_resource(ResourceARN=acl(account, "REGIONAL")["WebACL"]["ARN"], TagKeys=["Project"])


@mutation("log group", "forgets early", LOG_GROUP, operation="PutRetentionPolicy", argument="retention_days", host=GLOBAL)
def acl_log_forgets(account: Account) -> None:
    account.client("logs").put_retention_policy(logGroupName=f"aws-waf-logs-{PREFIX}-edge", retentionInDays=1)


@mutation("log group", "no longer encrypted with our key", LOG_GROUP, operation="AssociateKmsKey", argument="kms_key_arn")
def acl_log_without_key(account: Account) -> None:
    account.client("logs").disassociate_kms_key(logGroupName=f"aws-waf-logs-{PREFIX}-public")


# --- CloudFront ---


def update_distribution(account: Account, change: Callable[[dict[str, Any]], None]) -> None:
    client = account.client("cloudfront")
    identifier = client.list_distributions()["DistributionList"]["Items"][0]["Id"]
    found = client.get_distribution_config(Id=identifier)
    change(found["DistributionConfig"])
    client.update_distribution(Id=identifier, IfMatch=found["ETag"], DistributionConfig=found["DistributionConfig"])


def distribution(what: str, argument: str, field: str, **options: Any) -> Callable[[Callable[[Account], None]], Callable[[Account], None]]:
    return mutation(
        "distribution",
        what,
        DISTRIBUTION,
        operation="UpdateDistribution",
        argument=argument,
        field=f"DistributionConfig.{field}",
        host=GLOBAL,
        **options,
    )


@distribution("an old TLS version admitted", "minimum_tls", "ViewerCertificate.MinimumProtocolVersion")
def distribution_admits_old_tls(account: Account) -> None:
    update_distribution(account, lambda config: config["ViewerCertificate"].update(MinimumProtocolVersion="TLSv1.2_2018"))


@distribution("web ACL taken away", "web_acl_arn", "WebACLId")
def distribution_without_web_acl(account: Account) -> None:
    update_distribution(account, lambda config: config.update(WebACLId=""))


@distribution("price class changed", "price_class", "PriceClass")
def distribution_costs_more(account: Account) -> None:
    update_distribution(account, lambda config: config.update(PriceClass="PriceClass_All"))


@distribution("a name taken away", "aliases", "Aliases.Items")
def distribution_without_its_name(account: Account) -> None:
    update_distribution(account, lambda config: config.update(Aliases={"Quantity": 0}))


@distribution("answers of the API kept", "behaviours", "CacheBehaviors.Items")
def distribution_keeps_answers_of_the_api(account: Account) -> None:
    kept = "658327ea-f89d-4fab-a63d-7e88639e58f6"
    update_distribution(account, lambda config: config["CacheBehaviors"]["Items"][2].update(CachePolicyId=kept))


@distribution("plain text admitted", "default_behaviour", "DefaultCacheBehavior.ViewerProtocolPolicy")
def distribution_admits_plain_text(account: Account) -> None:
    update_distribution(account, lambda config: config["DefaultCacheBehavior"].update(ViewerProtocolPolicy="allow-all"))


@distribution("another origin asked", "origins", "Origins.Items", alone=True)
def distribution_asks_another_origin(account: Account) -> None:
    update_distribution(account, lambda config: config["Origins"]["Items"][0].update(DomainName="elsewhere.example"))


@distribution("errors remembered for long", "error_seconds", "CustomErrorResponses.Items")
def distribution_remembers_errors(account: Account) -> None:
    update_distribution(account, lambda config: config["CustomErrorResponses"]["Items"][0].update(ErrorCachingMinTTL=86400))


@distribution("a country shut out", "denied_countries", "Restrictions.GeoRestriction.RestrictionType")
def distribution_shuts_out_a_country(account: Account) -> None:
    shut = {"RestrictionType": "blacklist", "Quantity": 1, "Items": ["IN"]}
    update_distribution(account, lambda config: config["Restrictions"].update(GeoRestriction=shut))


@distribution("secret header taken away", "secret_header", "Origins.Items", alone=True)
def distribution_without_secret(account: Account) -> None:
    update_distribution(account, lambda config: config["Origins"]["Items"][0].update(CustomHeaders={"Quantity": 0}))


@mutation("distribution", "tag removed", DISTRIBUTION, operation="TagResource", argument="tags", field="Tags.Project", host=GLOBAL)
def distribution_tag_removed(account: Account) -> None:
    client = account.client("cloudfront")
    arn = client.list_distributions()["DistributionList"]["Items"][0]["ARN"]
    client.untag_resource(Resource=arn, TagKeys={"Items": ["Project"]})


@mutation("origin access control", "signs nothing", ACCESS, operation="UpdateOriginAccessControl", host=GLOBAL)
def access_control_signs_nothing(account: Account) -> None:
    update_access_control(account, SigningBehavior="never")


@mutation(
    "origin access control", "description changed", ACCESS, operation="UpdateOriginAccessControl", argument="description", host=GLOBAL
)
def access_control_described_otherwise(account: Account) -> None:
    update_access_control(account, Description="changed")


def update_access_control(account: Account, **changes: str) -> None:
    client = account.client("cloudfront")
    found = client.get_origin_access_control(Id=client.list_origin_access_controls()["OriginAccessControlList"]["Items"][0]["Id"])
    control = found["OriginAccessControl"]
    config = {**control["OriginAccessControlConfig"], **changes}
    client.update_origin_access_control(Id=control["Id"], IfMatch=found["ETag"], OriginAccessControlConfig=config)


def update_headers(account: Account, change: Callable[[dict[str, Any]], None]) -> None:
    client = account.client("cloudfront")
    listed = client.list_response_headers_policies()["ResponseHeadersPolicyList"]["Items"][0]["ResponseHeadersPolicy"]
    found = client.get_response_headers_policy(Id=listed["Id"])
    config = found["ResponseHeadersPolicy"]["ResponseHeadersPolicyConfig"]
    change(config)
    client.update_response_headers_policy(Id=listed["Id"], IfMatch=found["ETag"], ResponseHeadersPolicyConfig=config)


def headers(what: str, argument: str) -> Callable[[Callable[[Account], None]], Callable[[Account], None]]:
    return mutation("response headers policy", what, HEADERS, operation="UpdateResponseHeadersPolicy", argument=argument, host=GLOBAL)


@headers("HTTPS insisted on for an hour only", "hsts_seconds")
def headers_insist_shortly(account: Account) -> None:
    strict = "StrictTransportSecurity"
    update_headers(account, lambda config: config["SecurityHeadersConfig"][strict].update(AccessControlMaxAgeSec=3600))


@headers("anything may be loaded", "content_security_policy")
def headers_allow_everything(account: Account) -> None:
    policy = "ContentSecurityPolicy"
    update_headers(account, lambda config: config["SecurityHeadersConfig"][policy].update(ContentSecurityPolicy="default-src *"))


@headers("servers told again", "removed_headers")
def headers_tell_the_server(account: Account) -> None:
    update_headers(account, lambda config: config.pop("RemoveHeadersConfig"))


@mutation("log delivery", "stopped", DELIVERY, operation="CreateDelivery", argument=("resource_arn", "destination_arn"), host=GLOBAL)
def delivery_stopped(account: Account) -> None:
    client = account.client("logs")
    client.delete_delivery(id=client.describe_deliveries()["deliveries"][0]["id"])


@mutation("log delivery", "tag removed", DELIVERY, operation="TagResource", argument="tags", host=GLOBAL)
def delivery_tag_removed(account: Account) -> None:
    client = account.client("logs")
    client.untag_resource(resourceArn=client.describe_delivery_sources()["deliverySources"][0]["arn"], tagKeys=["Project"])


@mutation("secret", "description changed", SECRET, operation="UpdateSecret", argument="description", host=GLOBAL)
def origin_secret_described_otherwise(account: Account) -> None:
    account.client("secretsmanager").update_secret(SecretId="/indivillage/sandbox/edge/origin", Description="changed")
