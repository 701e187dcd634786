package main

import (
	"context"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// bot is the user of the service account that the reviews are about.
const bot = "system:serviceaccount:reviews:bot"

// reviews asks for a token, who has it, and who may do what.
func reviews(ctx context.Context, hub *hub) (facts, error) {
	if err := hub.namespace(ctx, "reviews"); err != nil {
		return nil, err
	}
	token, seen, err := tokens(ctx, hub)
	if err != nil {
		return nil, err
	}
	access := hub.core.AuthorizationV1()
	attributes := &authorizationv1.ResourceAttributes{
		Namespace: "reviews", Verb: "list", Resource: "configmaps",
	}
	allowed := func() (bool, error) {
		spec := authorizationv1.SubjectAccessReviewSpec{User: bot, ResourceAttributes: attributes}
		review := &authorizationv1.SubjectAccessReview{Spec: spec}
		made, err := access.SubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
		if err != nil {
			return false, err
		}
		return made.Status.Allowed, nil
	}
	if seen["allowedBefore"], err = allowed(); err != nil {
		return nil, err
	}
	if err := letRead(ctx, hub); err != nil {
		return nil, err
	}
	if seen["allowedAfter"], err = allowed(); err != nil {
		return nil, err
	}
	self, err := hub.with(token)
	if err != nil {
		return nil, err
	}
	return seen, ofSelf(ctx, self, attributes, seen)
}

// tokens makes the service account and a token of it, and has the hub judge tokens.
func tokens(ctx context.Context, hub *hub) (string, facts, error) {
	accounts, options := hub.core.CoreV1().ServiceAccounts("reviews"), metav1.CreateOptions{}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "bot"}}
	if _, err := accounts.Create(ctx, account, options); err != nil {
		return "", nil, err
	}
	ask := func(seconds int64) (*authenticationv1.TokenRequest, error) {
		spec := authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds}
		request := &authenticationv1.TokenRequest{Spec: spec}
		return accounts.CreateToken(ctx, "bot", request, options)
	}
	made, err := ask(3600)
	if err != nil {
		return "", nil, err
	}
	_, tooShort := ask(500)
	judge := func(token string) (*authenticationv1.TokenReview, error) {
		review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}
		return hub.core.AuthenticationV1().TokenReviews().Create(ctx, review, options)
	}
	good, err := judge(made.Status.Token)
	if err != nil {
		return "", nil, err
	}
	bad, err := judge("nonsense")
	if err != nil {
		return "", nil, err
	}
	return made.Status.Token, facts{
		"expires":       !made.Status.ExpirationTimestamp.IsZero(),
		"tooShort":      errors.IsInvalid(tooShort),
		"authenticated": []bool{good.Status.Authenticated, bad.Status.Authenticated},
		"user":          good.Status.User.Username,
	}, nil
}

// letRead gives the bot a role.
func letRead(ctx context.Context, hub *hub) error {
	rbac := hub.core.RbacV1()
	rule := rbacv1.PolicyRule{Verbs: []string{"get", "list"}, APIGroups: []string{""},
		Resources: []string{"configmaps"}}
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: "r"}, Rules: []rbacv1.PolicyRule{rule}}
	if _, err := rbac.Roles("reviews").Create(ctx, role, metav1.CreateOptions{}); err != nil {
		return err
	}
	binding := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "b"},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: "reviews", Name: "bot"}},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "r"}}
	_, err := rbac.RoleBindings("reviews").Create(ctx, binding, metav1.CreateOptions{})
	return err
}

// ofSelf asks with the token who one is and what one may do, and does it.
func ofSelf(
	ctx context.Context, self *hub, attributes *authorizationv1.ResourceAttributes, seen facts,
) error {
	options := metav1.CreateOptions{}
	who, err := self.core.AuthenticationV1().SelfSubjectReviews().
		Create(ctx, &authenticationv1.SelfSubjectReview{}, options)
	if err != nil {
		return err
	}
	access := self.core.AuthorizationV1()
	spec := authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: attributes}
	may, err := access.SelfSubjectAccessReviews().
		Create(ctx, &authorizationv1.SelfSubjectAccessReview{Spec: spec}, options)
	if err != nil {
		return err
	}
	of := authorizationv1.SelfSubjectRulesReviewSpec{Namespace: "reviews"}
	rules, err := access.SelfSubjectRulesReviews().
		Create(ctx, &authorizationv1.SelfSubjectRulesReview{Spec: of}, options)
	if err != nil {
		return err
	}
	listed := false
	for _, rule := range rules.Status.ResourceRules {
		listed = listed || len(rule.Resources) == 1 && rule.Resources[0] == "configmaps"
	}
	core := self.core.CoreV1()
	_, maps := core.ConfigMaps("reviews").List(ctx, metav1.ListOptions{})
	_, others := core.Secrets("reviews").List(ctx, metav1.ListOptions{})
	seen["self"], seen["selfAllowed"], seen["ruleListed"] = who.Status.UserInfo.Username,
		may.Status.Allowed, listed
	seen["lists"], seen["forbidden"] = maps == nil, errors.IsForbidden(others)
	seen["bodies"] = self.sent.bodies()
	return nil
}
