# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes to names, certificates, web ACLs and what CloudFront serves."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from tests.drill.support.mutations.identities import change_secret, untag_secret
from tests.drill.support.mutations.model import GLOBAL, PREFIX, Account, mutation

DOMAIN = "sandbox.indivillage.internal"
ZONE = "Make the zone of the domain"
AUTHORITIES = "Let only these authorities issue certificates for the domain"
CERTIFICATE = "Request the certificate of the distribution"
PROOF = "Prove that the domain is ours"
NAMES = "Name the origins"
FAILOVER = "Let the second origin take over from the first"
CHECKS = "Watch the origins from around the world"
LOG_GROUP = "Make the log group of the web ACL"
ACL = "Make the web ACL"
ACCESS = "Let CloudFront prove itself to the buckets"
HEADERS = "Have browsers protect the visitors"
SECRET = "Make the secret by which origins know CloudFront, once"
ACCEPTED = "Let the origins know it, in every region"
DISTRIBUTION = "Start the distribution"
DELIVERY = "Deliver the access logs of the distribution"
SITE = "Lead the site's names to the distribution"
SHIELD = "Protect with Shield Advanced"
RECORDS = "ChangeResourceRecordSets"
Change = Callable[[dict[str, Any]], Any]


# --- the zone and its records ---


def zone_id(account: Account) -> str:
    return str(account.one("route53", "list_hosted_zones", "HostedZones")["Id"]).rpartition("/")[2]


def record(account: Account, name: str, kind: str, identifier: str = "") -> dict[str, Any]:
    found = account.client("route53").list_resource_record_sets(HostedZoneId=zone_id(account))["ResourceRecordSets"]
    (one,) = [item for item in found if (item["Name"], item["Type"], item.get("SetIdentifier", "")) == (f"{name}.", kind, identifier)]
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


@mutation("record", "proof of the domain remembered for a day", PROOF, DOMAIN, operation=RECORDS, argument="ttl", host=GLOBAL)
def proof_remembered_for_long(account: Account) -> None:
    found = account.client("route53").list_resource_record_sets(HostedZoneId=zone_id(account))["ResourceRecordSets"]
    change_record(account, "UPSERT", {**next(item for item in found if item["Type"] == "CNAME"), "TTL": 86400})


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


def _change_alias(account: Account, task: str, item: str, change: Change) -> None:
    """Change the record of an item of the task, which is an alias."""
    name = {SITE: DOMAIN, NAMES: f"origin-{item}.{DOMAIN}", FAILOVER: f"origin.{DOMAIN}"}[task]
    changed = record(account, name, "A", item if task == FAILOVER else "")
    change(changed)
    change_record(account, "UPSERT", changed)


def _answer_with_an_address(item: dict[str, Any]) -> None:
    del item["AliasTarget"]
    item |= {"TTL": 60, "ResourceRecords": [{"Value": "192.0.2.1"}]}


def _lead(**elsewhere: Any) -> Change:
    return lambda item: item["AliasTarget"].update(elsewhere)


_NOWHERE = _lead(DNSName="elsewhere-1.us-east-1.elb.amazonaws.com.")
_ANOTHER_ZONE, _BLIND = _lead(HostedZoneId="Z35SXDOTRQ7X7K"), _lead(EvaluateTargetHealth=False)
_ALIAS_CHANGES: tuple[tuple[str, str, str, str, str, Change], ...] = (
    # id, what is changed in words, task, item, argument of the task, the change
    ("site_with_an_address", "site answers with an address", SITE, f"{DOMAIN} A", "alias", _answer_with_an_address),
    ("site_in_another_zone", "site looked for in another zone", SITE, f"{DOMAIN} A", "alias_hosted_zone_id", _ANOTHER_ZONE),
    ("origin_with_an_address", "origin answers with an address", NAMES, "dr", "alias", _answer_with_an_address),
    ("origin_in_another_zone", "origin looked for in another zone", NAMES, "dr", "alias_hosted_zone_id", _ANOTHER_ZONE),
    ("origin_health_ignored", "health of the origin ignored", NAMES, "primary", "alias_evaluate_target_health", _BLIND),
    ("takeover_misled", "second origin led elsewhere", FAILOVER, "dr", "value", _NOWHERE),
    ("takeover_in_another_zone", "second origin looked for in another zone", FAILOVER, "dr", "alias_hosted_zone_id", _ANOTHER_ZONE),
    ("takeover_with_an_address", "second origin answers with an address", FAILOVER, "dr", "alias", _answer_with_an_address),
    ("takeover_health_ignored", "health of the first origin ignored", FAILOVER, "primary", "alias_evaluate_target_health", _BLIND),
    ("takeover_not_watched", "first origin not watched", FAILOVER, "primary", "health_check", lambda item: item.pop("HealthCheckId")),
)
for _name, _what, _task, _item, _argument, _change in _ALIAS_CHANGES:
    mutation("record", _what, _task, _item, operation=RECORDS, argument=_argument, host=GLOBAL, name=_name)(
        partial(_change_alias, task=_task, item=_item, change=_change)
    )


@mutation("record", "origins exchanged", FAILOVER, "primary", operation=RECORDS, argument="failover", host=GLOBAL,
          also={(FAILOVER, "dr"): RECORDS})  # fmt: skip
def origins_exchanged(account: Account) -> None:
    first, second = (record(account, f"origin.{DOMAIN}", "A", name) for name in ("primary", "dr"))
    for item in (first, second):
        change_record(account, "DELETE", item)
    for item, place in ((first, "SECONDARY"), (second, "PRIMARY")):
        change_record(account, "CREATE", {**item, "Failover": place})


# --- health checks ---


def check_id(account: Account) -> str:
    found = account.client("route53").list_health_checks()["HealthChecks"]
    (check,) = [item["Id"] for item in found if item["HealthCheckConfig"]["FullyQualifiedDomainName"] == f"origin-primary.{DOMAIN}"]
    return str(check)


def update_check(account: Account, **changes: Any) -> None:
    account.client("route53").update_health_check(HealthCheckId=check_id(account), **changes)


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
    client = account.client("route53")
    client.change_tags_for_resource(ResourceType="healthcheck", ResourceId=check_id(account), RemoveTagKeys=["Project"])


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


@mutation("web ACL", "logs what visitors keep to themselves", ACL, operation="PutLoggingConfiguration", argument="log_redacts", host=GLOBAL)
def acl_that_logs_secrets(account: Account) -> None:
    arn = acl(account, "CLOUDFRONT")["WebACL"]["ARN"]
    logging = account.client("wafv2").get_logging_configuration(ResourceArn=arn)["LoggingConfiguration"]
    kept = {key: logging[key] for key in ("ResourceArn", "LogDestinationConfigs")}
    account.client("wafv2").put_logging_configuration(LoggingConfiguration=kept)


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


@mutation("log group", "tag removed", LOG_GROUP, operation="TagResource", argument="tags")
def acl_log_tag_removed(account: Account) -> None:
    arn = f"arn:aws:logs:us-east-1:123456789012:log-group:aws-waf-logs-{PREFIX}-public"
    account.client("logs").untag_resource(resourceArn=arn, tagKeys=["Project"])


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


@distribution("one country alone let in", "allowed_countries", "Restrictions.GeoRestriction.RestrictionType")
def distribution_lets_one_country_in(account: Account) -> None:
    let_in = {"RestrictionType": "whitelist", "Quantity": 1, "Items": ["IN"]}
    update_distribution(account, lambda config: config["Restrictions"].update(GeoRestriction=let_in))


@distribution("another certificate shown", "certificate_arn", "ViewerCertificate.ACMCertificateArn")
def distribution_shows_another_certificate(account: Account) -> None:
    another = account.certificate_arn("internal")
    update_distribution(account, lambda config: config["ViewerCertificate"].update(ACMCertificateArn=another))


@distribution("second origin seldom asked", "origin_groups", "OriginGroups.Items")
def distribution_seldom_asks_the_second_origin(account: Account) -> None:
    codes = {"StatusCodes": {"Quantity": 1, "Items": [500]}}
    update_distribution(account, lambda config: config["OriginGroups"]["Items"][0].update(FailoverCriteria=codes))


@distribution("secret header taken away", "secret_header", "Origins.Items", alone=True)
def distribution_without_secret(account: Account) -> None:
    def take_away(config: dict[str, Any]) -> None:
        origin = next(origin for origin in config["Origins"]["Items"] if origin["CustomHeaders"]["Quantity"])
        origin["CustomHeaders"] = {"Quantity": 0}

    update_distribution(account, take_away)


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


@mutation("log delivery", "of everything, cookies and queries too", DELIVERY, operation="CreateDelivery", argument="fields", host=GLOBAL)
def delivery_of_everything(account: Account) -> None:
    client = account.client("logs")
    delivery = client.describe_deliveries()["deliveries"][0]
    client.delete_delivery(id=delivery["id"])
    kept = {key: delivery[key] for key in ("deliverySourceName", "deliveryDestinationArn", "tags") if delivery.get(key)}
    client.create_delivery(**kept)


@mutation("log delivery", "tag removed", DELIVERY, operation="TagResource", argument="tags", host=GLOBAL)
def delivery_tag_removed(account: Account) -> None:
    client = account.client("logs")
    client.untag_resource(resourceArn=client.describe_delivery_sources()["deliverySources"][0]["arn"], tagKeys=["Project"])


@mutation("secret", "description changed", SECRET, operation="UpdateSecret", argument="description", host=GLOBAL, field="Description")
def origin_secret_described_otherwise(account: Account) -> None:
    change_secret(account, "edge/origin", Description="changed")


@mutation("secret", "encrypted with another key", SECRET, operation="UpdateSecret", argument="kms_key_id", host=GLOBAL, field="KmsKeyId")
def origin_secret_encrypted_with_another_key(account: Account) -> None:
    change_secret(account, "edge/origin", KmsKeyId=f"alias/{PREFIX}-database")


@mutation("secret", "tag removed", SECRET, operation="TagResource", argument="tags", host=GLOBAL, field="Tags.Project")
def origin_secret_tag_removed(account: Account) -> None:
    untag_secret(account, "edge/origin")


@mutation("secret", "accepted one described otherwise", ACCEPTED, operation="UpdateSecret", argument="description", host=GLOBAL,
          field="Description")  # fmt: skip
def accepted_secret_described_otherwise(account: Account) -> None:
    change_secret(account, "edge/accepted", Description="changed")


@mutation("secret", "accepted one encrypted with another key", ACCEPTED, operation="UpdateSecret", argument="kms_key_id", host=GLOBAL,
          field="KmsKeyId")  # fmt: skip
def accepted_secret_encrypted_with_another_key(account: Account) -> None:
    change_secret(account, "edge/accepted", KmsKeyId=f"alias/{PREFIX}-database")


@mutation(
    "secret", "tag of the accepted one removed", ACCEPTED, operation="TagResource", argument="tags", host=GLOBAL, field="Tags.Project"
)
def accepted_secret_tag_removed(account: Account) -> None:
    untag_secret(account, "edge/accepted")


# --- Shield Advanced ---


def protection(account: Account, name: str) -> dict[str, Any]:
    (found,) = [one for one in account.client("shield").list_protections()["Protections"] if one["Name"] == f"{PREFIX}-{name}"]
    return dict(found)


@mutation(
    "protection by Shield Advanced", "deleted", SHIELD, "zone", operation="CreateProtection", argument=("name", "resource_arn"), host=GLOBAL
)
def protection_deleted(account: Account) -> None:
    account.client("shield").delete_protection(ProtectionId=protection(account, "zone")["Id"])


@mutation("protection by Shield Advanced", "tag removed", SHIELD, "site", operation="TagResource", argument="tags", host=GLOBAL)
def protection_tag_removed(account: Account) -> None:
    account.client("shield").untag_resource(ResourceARN=protection(account, "site")["ProtectionArn"], TagKeys=["Project"])
